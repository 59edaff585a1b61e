"""What the steps of the demo's processes make of a folder with odd content."""

from __future__ import annotations

import json
import tarfile

import msgspec
import pytest

from procactors.cli.demo import archive, count, duplicates, report
from procactors.cli.demo.files import listed, scan
from procactors.model.interrupt import merged
from tests.unit.cli.demo.samples import context, fill, job


def as_stored(value, kind):
    """Return a value as the next step gets it."""
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


@pytest.fixture
def scanned(tmp_path):
    (tmp_path / "in").mkdir()
    fill(tmp_path / "in")
    return scan(job(tmp_path / "in", tmp_path / "out"), context(), "test")


@pytest.fixture
def nothing(tmp_path):
    (tmp_path / "in").mkdir()
    return scan(job(tmp_path / "in", tmp_path / "out"), context(), "test")


def counted(scanned):
    for part in range(1, count.PARTS + 1):
        assert count.tokenize_part(scanned, context(), part) == scanned
    return count.add_up(scanned)


def test_counts_are_those_of_the_files(scanned):
    counts = counted(scanned).counts
    assert (counts.binary, counts.unreadable) == (1, 0)
    assert counts.files == scanned.files - 1
    assert counts.broken in {3, 4}  # late.py is taken by newer Pythons
    assert counts.names["print"] == 2
    assert counts.lines == 21


def test_all_names_are_written_down(scanned):
    result = counted(scanned)
    with open(result.path, encoding="ascii") as file:  # noqa: PTH123 - what the person would do
        assert json.load(file)["names"]["print"] == 2


def test_file_that_is_gone_is_counted_as_unreadable(scanned, tmp_path):
    (tmp_path / "in" / "a.py").unlink()
    assert counted(scanned).counts.unreadable == 1


def test_duplicates_are_found_and_empty_files_are_none(scanned):
    hashed = as_stored(duplicates.hash_candidates(scanned, context()), duplicates.Hashed)
    found = duplicates.group(hashed)
    assert (found.groups, found.wasted) == (1, 15)
    assert found.largest[0].names == ["a.py", "copy of a.py"]


def proposal_of(scanned):
    return archive.compare(scanned, context())


def decided(proposal, answer):
    """Return what the step after the interrupt gets."""
    question = archive.propose(proposal)
    msgspec.convert(answer, question.schema)
    data = merged(msgspec.to_builtins(question.data), answer)
    return as_stored(data, archive.Decided)


def test_methods_are_measured_and_the_smallest_is_proposed(scanned):
    proposal = proposal_of(scanned)
    assert [one.method for one in proposal.measured] == ["gz", "bz2", "xz"]
    assert proposal.method == min(proposal.measured, key=lambda one: one.ratio).method


@pytest.mark.parametrize("method", ["gz", "bz2", "xz"])
def test_archive_holds_every_file(scanned, method):
    packed = archive.pack(decided(proposal_of(scanned), {"approved": True, "method": method}), context())
    packed = archive.verify(as_stored(packed, archive.Packed), context())
    assert packed.is_verified
    assert packed.path.endswith(f".tar.{method}")
    assert (packed.files, packed.original) == (scanned.files, scanned.bytes)
    with tarfile.open(packed.path) as opened:
        assert sorted(opened.getnames()) == sorted(listed(scanned))


def test_archive_that_is_not_wanted_is_not_written(scanned, tmp_path):
    packed = archive.verify(
        archive.pack(decided(proposal_of(scanned), {"approved": False}), context()), context()
    )
    assert packed.path == ""
    assert not list((tmp_path / "out").glob("archive*"))


@pytest.mark.parametrize(
    "answer", [{}, {"approved": "yes"}, {"approved": True, "method": "rar"}, {"approve": True}]
)
def test_answer_that_does_not_fit_is_refused(scanned, answer):
    with pytest.raises(msgspec.ValidationError):
        decided(proposal_of(scanned), answer)


def test_archive_that_was_damaged_is_noticed(scanned):
    packed = archive.pack(decided(proposal_of(scanned), {"approved": True}), context())
    packed.digest = "0" * 64
    with pytest.raises(ValueError, match="not what was written"):
        archive.verify(packed, context())


def test_every_step_may_run_twice(scanned):
    first, proposal = counted(scanned), proposal_of(scanned)
    assert counted(scanned) == first
    packed = [archive.pack(decided(proposal, {"approved": True}), context()).digest for _ in range(2)]
    assert packed[0] == packed[1]


def findings(scanned):
    hashed = duplicates.hash_candidates(scanned, context())
    packed = archive.pack(decided(proposal_of(scanned), {"approved": True}), context())
    return report.Findings(scanned.job, counted(scanned), duplicates.group(hashed), packed)


def test_report_has_what_was_found(scanned):
    page = report.compose(as_stored(findings(scanned), report.Findings))
    for part in ("| `print` | 2 |", "`a.py`, `copy of a.py`", "archive.tar.", "| binary files | 1 |"):
        assert part in page.text
    assert report.write(page).path == page.path
    with open(page.path, encoding="utf-8") as file:  # noqa: PTH123 - what the person would do
        assert file.read() == page.text


def test_report_on_an_empty_folder_is_a_report(nothing):
    page = report.compose(findings(nothing))
    assert "| files | 0 |" in page.text


def test_report_says_what_did_not_finish(scanned):
    text = report.compose(report.Findings(scanned.job)).text
    assert text.count("did not finish") == 3


def test_report_says_that_no_archive_was_wanted(scanned):
    packed = archive.pack(decided(proposal_of(scanned), {"approved": False}), context())
    assert "No archive was wanted" in report.compose(report.Findings(scanned.job, archive=packed)).text
