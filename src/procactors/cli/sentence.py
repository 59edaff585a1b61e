"""Events as sentences, for where there is no terminal to draw on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.cli.wording import amount, clean, clock_time
from procactors.model import event as e

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from procactors.model.event import ProcessEvent

_PROGRESS_EVERY_S = 5.0


class Teller:
    """Tells what happens to one process, and of its progress only now and then."""

    def __init__(self) -> None:
        """Have told nothing yet."""
        self._told_at: datetime | None = None

    def tell(self, event: ProcessEvent) -> str | None:
        """Return what there is to say of an event, with its time; None if it is not worth a line."""
        if isinstance(event, e.StepProgressed):
            if self._told_at and (event.at - self._told_at).total_seconds() < _PROGRESS_EVERY_S:
                return None
        elif isinstance(event, e.ProcessCancelRequested | e.ProcessStarted | e.ProcessResumed):
            return None  # what follows at once says it all
        self._told_at = event.at
        return f"{clock_time(event.at)}  {clean(sentence(event))}"


def sentence(event: ProcessEvent) -> str:
    """Return what happened, in a few words."""
    words = _SENTENCES.get(type(event), type(event).__name__)
    return words.format(event) if isinstance(words, str) else words(event)


def _step_started(event: e.StepStarted) -> str:
    return f"{event.step} started" + (f", attempt {event.attempt}" if event.attempt > 1 else "")


def _step_progressed(event: e.StepProgressed) -> str:
    part = f" {event.done / event.total:.0%}," if event.total else ""
    return f"{event.step}{part} {amount(event.done, event.total, event.text)}"


def _proceeded(event: e.ProcessProceeded) -> str:
    return "nobody answered in time: goes on" if event.timed_out else "answered: goes on"


def _timed_out(event: e.ProcessTimedOut) -> str:
    return f"timed out: {event.error}" if event.error else "timed out"


def _cancelled(event: e.ProcessCancelled) -> str:
    return f"cancelled: {event.reason}" if event.reason else "cancelled"


_SENTENCES: dict[type, str | Callable[[Any], str]] = {
    e.ProcessQueued: "queued",
    e.ProcessReleased: "released: its manager was told to stop",
    e.ProcessRecovered: "recovered: its manager died",
    e.StepStarted: _step_started,
    e.StepProgressed: _step_progressed,
    e.StepFinished: "{0.step} finished",
    e.StepFailed: "{0.step} failed (attempt {0.attempt}): {0.error}",
    e.StepRetryScheduled: lambda event: f"{event.step} is tried again at {clock_time(event.due_at)}",
    e.StepSkipped: "{0.step} skipped",
    e.ProcessInterrupted: "interrupted after {0.step}: waits for an answer",
    e.ProcessProceeded: _proceeded,
    e.ProcessWaiting: "{0.step} waits for a child",
    e.ProcessSleeping: lambda event: f"sleeps until {clock_time(event.due_at)}",
    e.ProcessBlocked: "blocked before {0.step}: {0.reason}",
    e.DeadlineExtended: "its queue was paused for {0.seconds:.3g} s, which do not count",
    e.ProcessRetried: "goes on from {0.step}",
    e.ProcessRewound: "goes back to {0.step}",
    e.ProcessUndoing: "what it has done is undone",
    e.UndoStarted: "undo of {0.step} started",
    e.UndoFinished: "undo of {0.step} finished",
    e.UndoFailed: "undo of {0.step} failed: {0.error}",
    e.ProcessFinished: "finished",
    e.ProcessFailed: "failed: {0.error}",
    e.ProcessTimedOut: _timed_out,
    e.ProcessCancelled: _cancelled,
}
