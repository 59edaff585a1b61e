"""Steps: they start, one at a time and in order; they finish, fail, and are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidStateError
from procactors.model import event as e
from procactors.model.rules.changes import (
    ALIVE,
    FRESH_STEP,
    require,
    require_current,
    require_running,
    taken_up,
)
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _step_started(state: ProcessState, event: e.StepStarted, plan: Process) -> Changes:
    if state.in_step:
        raise InvalidStateError("a step is running")
    require_current(state, event.step, plan)
    if event.attempt != state.next_attempt:
        raise InvalidStateError(f"attempt {state.next_attempt} is next, not {event.attempt}")
    return {"in_step": True, "attempt": event.attempt, "next_attempt": event.attempt + 1}


def _step_finished(state: ProcessState, event: e.StepFinished, plan: Process) -> Changes:
    require_running(state, event.step, plan)
    back = _back_from_waiting(state, event)
    changes = {**back, "index": state.index + 1, "data_seq": event.payload_seq or state.seq + 1, **FRESH_STEP}
    if plan.steps[event.step].undo is not None:
        others = (one for one in state.undoable if one[0] != state.index)
        changes["undoable"] = (*others, (state.index, state.seq + 1))
    return changes


def _step_failed(state: ProcessState, event: e.StepFailed, plan: Process) -> Changes:
    require_running(state, event.step, plan)
    failures = state.failures + event.counts
    back = _back_from_waiting(state, event)
    return {**back, "in_step": False, "failures": failures, "error_seq": state.seq + 1}


def _back_from_waiting(state: ProcessState, event: Any) -> Changes:
    """A step that ends waits for its children no more."""
    return taken_up(state, event) if state.status is S.WAITING else {}


def _retry_scheduled(state: ProcessState, event: e.StepRetryScheduled, plan: Process) -> Changes:
    require(not state.in_step, "the step is running")
    require_current(state, event.step, plan)
    due_at = event.due_at.timestamp()
    return {"status": S.SLEEPING, "due_at": due_at, "next_attempt": event.attempt}


def _update_failed(_state: ProcessState, _event: e.DeferredUpdateFailed, _plan: Process) -> Changes:
    return {}


RULES: Rules = {
    e.StepStarted: ((S.RUNNING,), _step_started),
    e.StepFinished: ((S.RUNNING, S.WAITING, S.CANCELLING), _step_finished),
    e.StepFailed: ((S.RUNNING, S.WAITING, S.CANCELLING, S.QUEUED), _step_failed),
    e.StepRetryScheduled: ((S.RUNNING,), _retry_scheduled),
    e.DeferredUpdateFailed: ((*ALIVE, S.CANCELLING, S.UNDOING), _update_failed),
}
