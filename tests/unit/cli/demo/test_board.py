"""How a round looks."""

from __future__ import annotations

from datetime import timedelta

from procactors import ErrorInfo, ProcessStatus
from procactors.cli.demo import archive, count, duplicates
from procactors.cli.demo.board import board, question, standing, summary
from procactors.cli.demo.count import COUNT
from procactors.cli.demo.files import Job, Scanned
from procactors.cli.track import Track
from procactors.model import event as e
from tests.unit.cli.samples import NOW, console, drawn
from tests.unit.cli.test_listing import info

SCANNED = Scanned(Job("/in", "/out"), "/out/files.json", 1702, 25_000_000, 3)


def track_of(*events):
    track = Track()
    track.add(e.ProcessQueued(at=NOW, pid="ab" * 16, name="demo.count", definition=COUNT.to_spec()))
    for event in events:
        track.add(event)
    return track


STARTED = (e.ProcessStarted(at=NOW), e.StepStarted(at=NOW, step="scan"))


def lines(**tracks):
    return drawn(board(tracks, NOW + timedelta(seconds=12), console())).splitlines()


def test_running_process_has_a_bar_and_its_step():
    running = track_of(
        *STARTED,
        e.StepFinished(at=NOW, step="scan"),
        e.StepStarted(at=NOW, step="tokenize 1"),
        e.StepProgressed(at=NOW, step="tokenize 1", done=1, total=2, text="files"),
    )
    assert lines(count=running) == [" ● count   12 s ━━━━━━                   2/6 tokenize 1  1 of 2 files"]


def test_process_that_is_not_started_waits():
    assert lines(report=Track()) == [" ○ report        waits for the others"]


def test_failed_process_shows_its_error():
    failed = track_of(*STARTED, e.ProcessFailed(at=NOW, error=ErrorInfo("OSError", "disk full")))
    assert lines(count=failed) == [" ✗ count  0.0 s OSError: disk full"]


def test_every_line_fits_a_terminal_of_eighty_columns():
    long = e.StepProgressed(at=NOW, step="scan", done=1e9, total=1e9, text="f" * 100)
    assert all(len(line) <= 80 for line in lines(count=track_of(*STARTED, long), duplicates=track_of()))


def test_outputs_are_summed_up_in_a_few_words():
    counted = count.Counted(SCANNED, count.Counts(files=10, lines=2000, tokens=30_000), "/x")
    assert summary("count", counted) == "10 texts, 2,000 lines, 30,000 Python tokens"
    found = duplicates.Duplicates(5, 2, 2048, [])
    assert summary("duplicates", found) == "2 groups of equal files, 2.0 KiB too much"
    packed = archive.Packed([], "/a.tar.xz", "xz", 10, 1000, 250)
    assert summary("archive", packed) == "1000 B packed into 250 B, 25.0%, verified"
    assert summary("archive", archive.Packed([])) == "not wanted"


def test_question_says_what_will_be_done():
    proposal = archive.Proposal(SCANNED, [], "xz", 5_000_000)
    assert question(proposal) == "Pack 1,702 files, 23.8 MiB, into a tar.xz of about 4.8 MiB?"


def test_standing_of_a_process_that_goes_on():
    assert standing(info(status=ProcessStatus.QUEUED)) == "goes on with parse"
    assert standing(info(status=ProcessStatus.INTERRUPTED)) == "waits for an answer"
    assert standing(info(status=ProcessStatus.FINISHED, step=None)) == "finished"
