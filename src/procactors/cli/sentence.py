"""Events as sentences, for where there is no terminal to draw on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.cli.wording import amount, clean, clock_time
from procactors.model import event as e

if TYPE_CHECKING:
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
    match event:
        case e.StepStarted(step=step, attempt=attempt):
            return f"{step} started" if attempt == 1 else f"{step} started, attempt {attempt}"
        case e.StepProgressed(step=step, done=done, total=total, text=text):
            part = f" {done / total:.0%}," if total else ""
            return f"{step}{part} {amount(done, total, text)}"
        case e.StepFinished(step=step):
            return f"{step} finished"
        case e.StepFailed(step=step, attempt=attempt, error=error):
            return f"{step} failed (attempt {attempt}): {error}"
        case e.StepRetryScheduled(step=step, due_at=due_at):
            return f"{step} is tried again at {clock_time(due_at)}"
        case e.StepSkipped(step=step):
            return f"{step} skipped"
        case e.ProcessInterrupted(step=step):
            return f"interrupted after {step}: waits for an answer"
        case e.ProcessProceeded(timed_out=timed_out):
            return "nobody answered in time: goes on" if timed_out else "answered: goes on"
        case _:
            return _of_process(event)


def _of_process(event: ProcessEvent) -> str:
    match event:
        case e.ProcessQueued():
            return "queued"
        case e.ProcessReleased():
            return "released: its manager was told to stop"
        case e.ProcessRecovered():
            return "recovered: its manager died"
        case e.ProcessSleeping(due_at=due_at):
            return f"sleeps until {clock_time(due_at)}"
        case e.ProcessWaiting(step=step):
            return f"{step} waits for a child"
        case e.ProcessBlocked(step=step, reason=reason):
            return f"blocked before {step}: {reason}"
        case e.ProcessRetried(step=step) | e.ProcessRewound(step=step):
            return f"goes on from {step}"
        case e.ProcessFinished():
            return "finished"
        case e.ProcessFailed(error=error):
            return f"failed: {error}"
        case e.ProcessTimedOut(error=error):
            return f"timed out: {error}" if error else "timed out"
        case e.ProcessCancelled(reason=reason):
            return f"cancelled: {reason}" if reason else "cancelled"
        case e.UndoStarted(step=step) | e.UndoFinished(step=step) | e.UndoFailed(step=step):
            return f"undo of {step} {type(event).__name__.removeprefix('Undo').lower()}"
        case _:
            return type(event).__name__
