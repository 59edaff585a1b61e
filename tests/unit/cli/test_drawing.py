"""How a process looks while it is watched."""

from __future__ import annotations

from datetime import timedelta

from procactors import Process
from procactors.cli import drawing
from procactors.cli.track import Track
from procactors.errors import ErrorInfo
from procactors.model import event as e
from tests.unit.cli.samples import IMPORT, NOW, console, drawn, store

PID = "0123456789abcdef" * 2


def track_of(*events, plan=IMPORT):
    track = Track()
    track.add(e.ProcessQueued(at=NOW, pid=PID, name=plan.name, definition=plan.to_spec()))
    for event in events:
        track.add(event)
    return track


def picture(track, seconds=0, *, whole=False, **options):
    moment = NOW + timedelta(seconds=seconds)
    return drawn(drawing.process(track, moment, console(**options), whole=whole), **options)


RUNNING = (
    e.ProcessStarted(at=NOW),
    e.StepStarted(at=NOW, step="count"),
    e.StepFinished(at=NOW + timedelta(seconds=3.2), step="count"),
    e.StepStarted(at=NOW + timedelta(seconds=3.2), step="ask"),
)


def test_running_process_shows_its_steps_and_their_times():
    assert picture(track_of(*RUNNING), 12).splitlines() == [
        "import  0123456789abcdef  running  12 s",
        " ✓ count  3.2 s",
        " ● ask    8.8 s",
        " ○ store",
    ]


def test_progress_has_a_bar_and_words():
    progress = e.StepProgressed(at=NOW, step="ask", done=61, total=100, text="pages")
    line = picture(track_of(*RUNNING, progress), 12).splitlines()[2]
    assert line == " ● ask    8.8 s ━━━━━━━━━━━━━━╸           61% 61 of 100 pages"


def test_bar_gives_way_to_the_words_on_a_narrow_terminal():
    progress = e.StepProgressed(at=NOW, step="ask", done=61, total=100, text="pages")
    line = picture(track_of(*RUNNING, progress), 12, width=44).splitlines()[2]
    assert line == " ● ask    8.8 s ━━━━━━━╸       61% 61 of 10…"


def test_progress_without_total_has_words_only():
    progress = e.StepProgressed(at=NOW, step="ask", done=61, text="pages")
    assert picture(track_of(*RUNNING, progress), 12).splitlines()[2].split() == [
        "●",
        "ask",
        "8.8",
        "s",
        "61",
        "pages",
    ]


def test_sleeping_process_shows_error_and_moment():
    track = track_of(
        *RUNNING,
        e.StepFailed(at=NOW, step="ask", error=ErrorInfo("OSError", "disk full")),
        e.StepRetryScheduled(at=NOW, step="ask", attempt=2, due_at=NOW + timedelta(seconds=20)),
    )
    assert picture(track, 15).splitlines()[-2:] == ["  OSError: disk full", "  goes on in 5.0 s"]


def test_cancelled_process_shows_the_reason():
    cancelled = (
        e.ProcessCancelRequested(at=NOW, reason="not now"),
        e.ProcessCancelled(at=NOW, reason="not now"),
    )
    assert picture(track_of(*RUNNING, *cancelled)).splitlines()[-1] == "  not now"


def test_terminal_that_is_too_low_shows_the_steps_around_the_current_one():
    plan = Process("many", {f"step {number}": store for number in range(40)})
    events = [e.ProcessStarted(at=NOW)]
    for number in range(20):
        events += [
            e.StepStarted(at=NOW, step=f"step {number}"),
            e.StepFinished(at=NOW, step=f"step {number}"),
        ]
    track = track_of(*events, plan=plan)
    lines = picture(track, height=12).splitlines()
    assert len(lines) <= 11
    assert "17 steps before" in lines[1]
    assert any("step 20" in line for line in lines)
    assert "17 steps after" in lines[-1]
    assert len(picture(track, height=12, whole=True).splitlines()) == 41


def test_names_and_errors_can_not_write_to_the_terminal():
    evil = Process("\x1b[2Jname", {"\x1b[2Jstep [red]": store})
    text = picture(track_of(plan=evil))
    assert "\x1b" not in text
    assert "step [red]" in text


def test_every_line_fits_a_terminal_of_eighty_columns():
    plan = Process("n" * 60, {f"{'s' * 70} {number}": store for number in range(3)})
    step = next(iter(plan.steps))
    events = (
        e.ProcessStarted(at=NOW),
        e.StepStarted(at=NOW, step=step),
        e.StepProgressed(at=NOW, step=step, done=1, total=3, text="t" * 90),
    )
    assert all(len(line) <= 80 for line in picture(track_of(*events, plan=plan)).splitlines())


def test_process_of_which_nothing_is_known_yet_is_drawn():
    assert drawn(drawing.process(Track(), NOW, console())).split() == ["queued"]


def test_window_is_around_the_current_line():
    assert drawing.window(3, 1, 10) == (0, 3)
    assert drawing.window(40, 0, 10) == (0, 10)
    assert drawing.window(40, 20, 10) == (15, 25)
    assert drawing.window(40, 40, 10) == (30, 40)
