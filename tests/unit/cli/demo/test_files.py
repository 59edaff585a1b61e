"""Which files are found, and how results get to disk."""

from __future__ import annotations

import json
import os

import pytest

from procactors.cli.demo import files
from procactors.cli.demo.files import content, listed, readable, scan, with_progress, write_json, written
from tests.unit.cli.demo.samples import SKIPPED, context, fill, job


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def scanned_in(folder, out):
    return scan(job(folder, out), context(), "test")


def test_scan_finds_plain_files_and_counts_what_it_passes_over(folder, tmp_path):
    found = fill(folder)
    scanned = scanned_in(folder, tmp_path / "out")
    assert (scanned.files, scanned.skipped) == (found, SKIPPED)
    names = listed(scanned)
    assert len(names) == found
    assert "sub/words.txt" in names
    assert not [name for name in names if ".git" in name or "loop" in name or "pycache" in name]


def test_every_name_leads_back_to_its_content(folder, tmp_path):
    fill(folder)
    scanned = scanned_in(folder, tmp_path / "out")
    assert None not in [content(scanned, name) for name in listed(scanned)]
    assert scanned.bytes == sum(len(content(scanned, name)) for name in listed(scanned))


def test_scan_does_not_find_its_own_results(folder):
    (folder / "a.txt").write_text("x", "utf-8")
    first = scanned_in(folder, folder / "out")
    assert scanned_in(folder, folder / "out") == first
    assert listed(first) == ["a.txt"]


def test_scan_does_not_touch_paths_that_are_left_out(folder, tmp_path):
    for name in ("a.txt", "store.db"):
        (folder / name).write_text("x", "utf-8")
    of = job(folder, tmp_path / "out")
    of.left_out = (*of.left_out, f"{folder}/store.db")
    assert listed(scan(of, context(), "test")) == ["a.txt"]


def test_empty_folder_has_no_files(folder, tmp_path):
    scanned = scanned_in(folder, tmp_path / "out")
    assert (scanned.files, scanned.bytes, listed(scanned)) == (0, 0, [])


def test_folder_that_is_too_large_is_looked_at_in_part(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 25)
    for number in range(4):
        (folder / f"{number}.txt").write_text("x" * 10, "utf-8")
    scanned = scanned_in(folder, tmp_path / "out")
    assert (scanned.files, scanned.bytes, scanned.skipped) == (2, 20, 2)


def test_file_that_is_gone_has_no_content(folder, tmp_path):
    scanned = scanned_in(folder, tmp_path / "out")
    assert content(scanned, "gone") is None


def write_half(path):
    with written(path) as file:
        file.write(b"half")
        raise InterruptedError


def test_file_is_complete_or_not_there(tmp_path):
    path = tmp_path / "new" / "result"
    with pytest.raises(InterruptedError):
        write_half(path)
    assert not path.exists()
    with written(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_json_may_hold_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"\xff.txt")
    write_json(tmp_path / "x.json", {name: [name]})
    assert json.loads((tmp_path / "x.json").read_text("ascii")) == {name: [name]}
    readable(name).encode()


def test_progress_is_told_before_each_item():
    ctx = context()
    assert list(with_progress(["a", "b"], ctx, "things")) == ["a", "b"]
    assert ctx._run.said == [(0, 2, "things"), (1, 2, "things")]
