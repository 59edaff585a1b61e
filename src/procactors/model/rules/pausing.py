"""Pauses between steps: interrupts and their answers, sleep, what nobody can run, paused queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model import event as e
from procactors.model.rules.changes import queued_anew, require, require_current, set_aside
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _interrupted(state: ProcessState, event: e.ProcessInterrupted, _plan: Process) -> Changes:
    require(not state.in_step, "a step is running")
    due_at = event.deadline_at.timestamp() if event.deadline_at else None
    changes = set_aside(state, event, S.INTERRUPTED)
    return {**changes, "due_at": due_at, "interrupt_seq": state.seq + 1}


def _proceeded(state: ProcessState, event: e.ProcessProceeded, plan: Process) -> Changes:
    changes = queued_anew(state, event, plan)
    return {**changes, "data_seq": state.seq + 1, "interrupt_seq": 0}


def _waiting(state: ProcessState, event: e.ProcessWaiting, plan: Process) -> Changes:
    require(state.in_step, "no step is running")
    if state.undo is not None:
        return {}  # a compensation's time never counts
    require_current(state, event.step, plan)
    return set_aside(state, event, S.WAITING)


def _sleeping(state: ProcessState, event: e.ProcessSleeping, plan: Process) -> Changes:
    """It sleeps between two steps, or in one that is nothing but a pause."""
    if state.in_step:
        require(plan.steps[plan.names[state.index]].is_pause, "a step is running")
    changes = set_aside(state, event, S.SLEEPING)
    return {**changes, "due_at": event.due_at.timestamp()}


def _blocked(state: ProcessState, event: e.ProcessBlocked, _plan: Process) -> Changes:
    """It stays due: a manager that can run the step takes it up."""
    return {**set_aside(state, event, S.BLOCKED), "due_at": state.due_at, "reason": event.reason}


def _extended(state: ProcessState, event: e.DeadlineExtended, _plan: Process) -> Changes:
    return {} if state.deadline_at is None else {"deadline_at": state.deadline_at + event.seconds}


RULES: Rules = {
    e.ProcessInterrupted: ((S.RUNNING,), _interrupted),
    e.ProcessProceeded: ((S.INTERRUPTED,), _proceeded),
    e.ProcessWaiting: ((S.RUNNING, S.UNDOING), _waiting),
    e.ProcessSleeping: ((S.QUEUED, S.RUNNING), _sleeping),
    e.ProcessBlocked: ((S.QUEUED, S.SLEEPING, S.UNDOING), _blocked),
    e.DeadlineExtended: ((S.QUEUED, S.SLEEPING), _extended),
}
