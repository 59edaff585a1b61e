"""How a process ends, and how it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model import event as e
from procactors.model.rules.changes import ALIVE, ended, require
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _cancel_requested(_state: ProcessState, event: e.ProcessCancelRequested, _plan: Process) -> Changes:
    return {"status": S.CANCELLING, "due_at": None, "reason": event.reason}


def _finished(state: ProcessState, event: e.ProcessFinished, plan: Process) -> Changes:
    require(state.index == len(plan.names), "steps are left")
    return ended(event, S.FINISHED)


def _failed(state: ProcessState, event: e.ProcessFailed, _plan: Process) -> Changes:
    undone = {} if state.undoable else _undone(state, S.FAILED)  # else it is an undo that failed
    return {**undone, **ended(event, S.FAILED, error_seq=state.seq + 1)}


def _timed_out(state: ProcessState, event: e.ProcessTimedOut, _plan: Process) -> Changes:
    undone = _undone(state, S.TIMED_OUT)
    return {**undone, **ended(event, S.TIMED_OUT, error_seq=state.seq + 1, interrupt_seq=0)}


def _cancelled(state: ProcessState, event: e.ProcessCancelled, _plan: Process) -> Changes:
    undone = _undone(state, S.CANCELLED)
    return {**undone, **ended(event, S.CANCELLED, interrupt_seq=0, reason=event.reason)}


def _undone(state: ProcessState, end: S) -> Changes:
    """What was before the undo is again, now that nothing is left to undo."""
    undo = state.undo
    if undo is None:
        return {}
    require(not state.undoable and not state.in_step, "there is something left to undo")
    require(undo.end is end, f"it has to end as {undo.end.value}")
    attempts = {"attempt": undo.attempt, "next_attempt": undo.next_attempt}
    return {**attempts, "undo": None, "data_seq": undo.data_seq}


RULES: Rules = {
    e.ProcessCancelRequested: (ALIVE, _cancel_requested),
    e.ProcessFinished: ((S.RUNNING, S.QUEUED), _finished),
    e.ProcessFailed: ((S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING, S.UNDOING), _failed),
    e.ProcessTimedOut: (
        (S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING, S.INTERRUPTED, S.UNDOING),
        _timed_out,
    ),
    e.ProcessCancelled: ((S.CANCELLING, S.UNDOING), _cancelled),
}
