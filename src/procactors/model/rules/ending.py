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
    return ended(event, S.FAILED, error_seq=state.seq + 1)


def _timed_out(state: ProcessState, event: e.ProcessTimedOut, _plan: Process) -> Changes:
    return ended(event, S.TIMED_OUT, error_seq=state.seq + 1, interrupt_seq=0)


def _cancelled(_state: ProcessState, event: e.ProcessCancelled, _plan: Process) -> Changes:
    return ended(event, S.CANCELLED, interrupt_seq=0, reason=event.reason)


RULES: Rules = {
    e.ProcessCancelRequested: (ALIVE, _cancel_requested),
    e.ProcessFinished: ((S.RUNNING, S.QUEUED), _finished),
    e.ProcessFailed: ((S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING), _failed),
    e.ProcessTimedOut: ((S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING, S.INTERRUPTED), _timed_out),
    e.ProcessCancelled: ((S.CANCELLING,), _cancelled),
}
