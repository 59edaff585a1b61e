"""The one place that decides what a status is: `apply(state, event, plan) -> state`, pure.

The engine proposes events, `apply` refuses those that the state does not allow, the stores keep events
and the state that they fold into; recovery loads that state, tests fold the events and compare. All
times here are seconds since 1970 by the store's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import InvalidStateError
from procactors.model import event as e
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent


class ProcessState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All that recovery needs besides plan and payloads.

    Attributes:
        status: Where the process stands.
        seq: Number of its last event.
        index: Which step is current or next, counted from 0; the number of steps when none is left.
        in_step: Whether an attempt of that step has begun and is not over.
        attempt: Number of the attempt of that step that began last; 0: none.
        next_attempt: Number that its next attempt will have.
        failures: Failed attempts of that step that count against its retry policy.
        crashes: How often a manager died with this process since its last checkpoint.
        data_seq: The event that holds the data for the current or next step, or the output.
        error_seq: The last event with an error; 0: none.
        interrupt_seq: The interrupt that waits for its answer; 0: none.
        skipped: Indexes of the steps that were skipped.
        due_at: When a free process is to be taken up (queued, sleeping), or its interrupt runs out.
        deadline_at: When the process times out, while its time counts.
        remaining_s: What is left of its time, while it does not count; None without a timeout.
        started_at: When it was first taken up; 0: not yet.
        ended_at: When it ended; 0: not yet.
        reason: Why it is cancelled or blocked.
    """

    status: S
    seq: int
    index: int = 0
    in_step: bool = False
    attempt: int = 0
    next_attempt: int = 1
    failures: int = 0
    crashes: int = 0
    data_seq: int = 1
    error_seq: int = 0
    interrupt_seq: int = 0
    skipped: tuple[int, ...] = ()
    due_at: float | None = None
    deadline_at: float | None = None
    remaining_s: float | None = None
    started_at: float = 0
    ended_at: float = 0
    reason: str = ""


def apply(state: ProcessState | None, event: ProcessEvent, plan: Process) -> ProcessState:
    """Return the state after `event`.

    Raises:
        InvalidStateError: The event is not allowed now; the state is as it was.
    """
    if state is None:
        if not isinstance(event, e.ProcessQueued):
            raise InvalidStateError(f"a history begins with ProcessQueued, not {type(event).__name__}")
        at = event.at.timestamp()
        return ProcessState(S.QUEUED, 1, due_at=at, remaining_s=plan.timeout)
    try:
        allowed, fold = _TABLE[type(event)]
    except KeyError:
        raise InvalidStateError(f"{type(event).__name__} is not part of a running history") from None
    if state.status not in allowed:
        raise InvalidStateError(f"{type(event).__name__} is not allowed while {state.status.value}")
    return _replace(state, seq=state.seq + 1, **fold(state, event, plan))


def fold(events: Iterable[ProcessEvent], plan: Process) -> ProcessState:
    """Return the state that a whole history leads to."""
    state: ProcessState | None = None
    for event in events:
        state = apply(state, event, plan)
    if state is None:
        raise InvalidStateError("a process without any event")
    return state


_replace = msgspec.structs.replace
_Changes = dict[str, Any]
_FRESH_STEP: _Changes = {"in_step": False, "attempt": 0, "next_attempt": 1, "failures": 0, "crashes": 0}


def _taken_up(state: ProcessState, event: Any) -> _Changes:
    """Begin to count time, unless it counts already."""
    changes: _Changes = {"status": S.RUNNING, "due_at": None, "reason": ""}
    if state.remaining_s is not None:
        changes["deadline_at"] = event.at.timestamp() + state.remaining_s
        changes["remaining_s"] = None
    return changes


def _set_aside(state: ProcessState, event: Any, status: S) -> _Changes:
    """Stop counting time."""
    changes: _Changes = {"status": status, "due_at": None}
    if state.deadline_at is not None:
        changes["remaining_s"] = max(0.0, state.deadline_at - event.at.timestamp())
        changes["deadline_at"] = None
    return changes


def _ended(event: Any, status: S, **more: Any) -> _Changes:
    return {
        "status": status,
        "in_step": False,
        "due_at": None,
        "deadline_at": None,
        "remaining_s": None,
        "ended_at": event.at.timestamp(),
        **more,
    }


def _started(state: ProcessState, event: e.ProcessStarted, _plan: Process) -> _Changes:
    _require(not state.started_at, "it has started already")
    return {**_taken_up(state, event), "started_at": event.at.timestamp()}


def _resumed(state: ProcessState, event: e.ProcessResumed, _plan: Process) -> _Changes:
    _require(bool(state.started_at), "it has never started")
    return _taken_up(state, event)


def _released(state: ProcessState, event: e.ProcessReleased, _plan: Process) -> _Changes:
    again = state.attempt if state.in_step else state.next_attempt
    changes = _set_aside(state, event, S.QUEUED)
    return {**changes, "due_at": event.at.timestamp(), "in_step": False, "next_attempt": again}


def _recovered(state: ProcessState, event: e.ProcessRecovered, _plan: Process) -> _Changes:
    status = state.status if state.status is S.CANCELLING else S.QUEUED
    crashes = state.crashes + 1
    return {"status": status, "due_at": event.at.timestamp(), "in_step": False, "crashes": crashes}


def _step_started(state: ProcessState, event: e.StepStarted, plan: Process) -> _Changes:
    if state.in_step:
        raise InvalidStateError("a step is running")
    _require_current(state, event.step, plan)
    if event.attempt != state.next_attempt:
        raise InvalidStateError(f"attempt {state.next_attempt} is next, not {event.attempt}")
    return {"in_step": True, "attempt": event.attempt, "next_attempt": event.attempt + 1}


def _step_finished(state: ProcessState, event: e.StepFinished, plan: Process) -> _Changes:
    _require_running(state, event.step, plan)
    return {"index": state.index + 1, "data_seq": state.seq + 1, **_FRESH_STEP}


def _step_failed(state: ProcessState, event: e.StepFailed, plan: Process) -> _Changes:
    _require_running(state, event.step, plan)
    failures = state.failures + event.counts
    return {"in_step": False, "failures": failures, "error_seq": state.seq + 1}


def _retry_scheduled(state: ProcessState, event: e.StepRetryScheduled, plan: Process) -> _Changes:
    _require(not state.in_step, "the step is running")
    _require_current(state, event.step, plan)
    due_at = event.due_at.timestamp()
    return {"status": S.SLEEPING, "due_at": due_at, "next_attempt": event.attempt}


def _step_skipped(state: ProcessState, event: e.StepSkipped, plan: Process) -> _Changes:
    _require_current(state, event.step, plan)
    return {
        **_queued_anew(state, event, plan),
        **_FRESH_STEP,
        "skipped": (*state.skipped, state.index),
        "index": state.index + 1,
    }


def _interrupted(state: ProcessState, event: e.ProcessInterrupted, _plan: Process) -> _Changes:
    _require(not state.in_step, "a step is running")
    due_at = event.deadline_at.timestamp() if event.deadline_at else None
    changes = _set_aside(state, event, S.INTERRUPTED)
    return {**changes, "due_at": due_at, "interrupt_seq": state.seq + 1}


def _proceeded(state: ProcessState, event: e.ProcessProceeded, plan: Process) -> _Changes:
    changes = _queued_anew(state, event, plan)
    return {**changes, "data_seq": state.seq + 1, "interrupt_seq": 0}


def _queued_anew(_state: ProcessState, event: Any, plan: Process) -> _Changes:
    """Ready to run, with the whole timeout before it."""
    return {
        "status": S.QUEUED,
        "due_at": event.at.timestamp(),
        "deadline_at": None,
        "remaining_s": plan.timeout,
        "ended_at": 0,
        "reason": "",
    }


def _sleeping(state: ProcessState, event: e.ProcessSleeping, _plan: Process) -> _Changes:
    _require(not state.in_step, "a step is running")
    changes = _set_aside(state, event, S.SLEEPING)
    return {**changes, "due_at": event.due_at.timestamp()}


def _blocked(state: ProcessState, event: e.ProcessBlocked, _plan: Process) -> _Changes:
    """It stays due: a manager that can run the step takes it up."""
    return {**_set_aside(state, event, S.BLOCKED), "due_at": state.due_at, "reason": event.reason}


def _retried(state: ProcessState, event: e.ProcessRetried, plan: Process) -> _Changes:
    _require_current(state, event.step, plan)
    return {**_queued_anew(state, event, plan), "failures": 0, "crashes": 0}


def _rewound(state: ProcessState, event: e.ProcessRewound, plan: Process) -> _Changes:
    index = plan.names.index(event.step)
    return {
        **_queued_anew(state, event, plan),
        **_FRESH_STEP,
        "index": index,
        "data_seq": event.data_seq,
        "interrupt_seq": 0,
        "skipped": tuple(i for i in state.skipped if i < index),
    }


def _cancel_requested(_state: ProcessState, event: e.ProcessCancelRequested, _plan: Process) -> _Changes:
    return {"status": S.CANCELLING, "due_at": None, "reason": event.reason}


def _finished(state: ProcessState, event: e.ProcessFinished, plan: Process) -> _Changes:
    _require(state.index == len(plan.names), "steps are left")
    return _ended(event, S.FINISHED)


def _failed(state: ProcessState, event: e.ProcessFailed, _plan: Process) -> _Changes:
    return _ended(event, S.FAILED, error_seq=state.seq + 1)


def _timed_out(state: ProcessState, event: e.ProcessTimedOut, _plan: Process) -> _Changes:
    return _ended(event, S.TIMED_OUT, error_seq=state.seq + 1, interrupt_seq=0)


def _cancelled(_state: ProcessState, event: e.ProcessCancelled, _plan: Process) -> _Changes:
    return _ended(event, S.CANCELLED, interrupt_seq=0, reason=event.reason)


_FREE = (S.QUEUED, S.SLEEPING, S.INTERRUPTED, S.BLOCKED)
_ALIVE = (S.RUNNING, S.WAITING, *_FREE)

_TABLE: dict[type, tuple[tuple[S, ...], Callable[[ProcessState, Any, Any], _Changes]]] = {
    e.ProcessStarted: ((S.QUEUED, S.SLEEPING, S.BLOCKED), _started),
    e.ProcessResumed: ((S.QUEUED, S.SLEEPING, S.BLOCKED, S.WAITING), _resumed),
    e.ProcessReleased: ((S.RUNNING, S.WAITING, S.SLEEPING), _released),
    e.ProcessRecovered: ((S.RUNNING, S.WAITING, S.SLEEPING, S.CANCELLING), _recovered),
    e.StepStarted: ((S.RUNNING,), _step_started),
    e.StepFinished: ((S.RUNNING, S.CANCELLING), _step_finished),
    e.StepFailed: ((S.RUNNING, S.CANCELLING, S.QUEUED), _step_failed),
    e.StepRetryScheduled: ((S.RUNNING,), _retry_scheduled),
    e.StepSkipped: ((S.BLOCKED, S.FAILED), _step_skipped),
    e.ProcessInterrupted: ((S.RUNNING,), _interrupted),
    e.ProcessProceeded: ((S.INTERRUPTED,), _proceeded),
    e.ProcessSleeping: ((S.QUEUED, S.RUNNING), _sleeping),
    e.ProcessBlocked: ((S.QUEUED, S.SLEEPING), _blocked),
    e.ProcessRetried: ((S.FAILED, S.TIMED_OUT), _retried),
    e.ProcessRewound: ((*_FREE, S.FINISHED, S.FAILED, S.TIMED_OUT, S.CANCELLED), _rewound),
    e.ProcessCancelRequested: (_ALIVE, _cancel_requested),
    e.ProcessFinished: ((S.RUNNING, S.QUEUED), _finished),
    e.ProcessFailed: ((S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING), _failed),
    e.ProcessTimedOut: ((S.RUNNING, S.QUEUED, S.SLEEPING, S.WAITING, S.INTERRUPTED), _timed_out),
    e.ProcessCancelled: ((S.CANCELLING,), _cancelled),
}


def current_step(state: ProcessState, plan: Process) -> str | None:
    """Return the name of the current or next step; None if none is left."""
    names = plan.names
    return names[state.index] if state.index < len(names) else None


def next_call(state: ProcessState, plan: Process) -> str | None:
    """Return the reference of the current or next step; None if none is left."""
    step = current_step(state, plan)
    return None if step is None else plan.steps[step].reference


def _require(holds: bool, reason: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not holds:
        raise InvalidStateError(reason)


def _require_current(state: ProcessState, step: str, plan: Process) -> None:
    names = plan.names
    if state.index >= len(names) or names[state.index] != step:
        raise InvalidStateError(f"the current step is {current_step(state, plan)!r}, not {step!r}")


def _require_running(state: ProcessState, step: str, plan: Process) -> None:
    if not state.in_step:
        raise InvalidStateError(f"step {step!r} is not running")
    _require_current(state, step, plan)
