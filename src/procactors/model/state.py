"""The one place that decides what a status is: `apply(state, event, plan) -> state`, pure.

The engine proposes events, `apply` refuses those that the state does not allow, the stores keep events
and the state that they fold into; recovery loads that state, tests fold the events and compare. What each
event needs and changes is in `procactors.model.rules`, a file for each phase of life. All times here are
seconds since 1970 by the store's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procactors.errors import InvalidStateError
from procactors.model import event as e
from procactors.model.rules import ending, pausing, returning, stepping, taking, undoing
from procactors.model.status import ProcessStatus as S
from procactors.model.undo import Undo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.rules.changes import Rules
    from procactors.model.step import Step


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
        rewound_seq: The last rewind that went back behind a completed step; 0: none. What steps have run as
            children before it is not theirs any more.
        skipped: Indexes of the steps that were skipped.
        undoable: Indexes of the completed steps that have a compensation, in the order in which they were
            completed, each with the event that holds its output.
        undone: Indexes of the steps that were undone.
        undo: What comes when it is undone, while it is; also after an undo has failed.
        due_at: When a free process is to be taken up (queued, sleeping), or its interrupt runs out.
        deadline_at: When the process times out, while its time counts.
        remaining_s: What is left of its time, while it does not count; None without a timeout.
        started_at: When it was first taken up; 0: not yet.
        ended_at: When it ended; 0: not yet.
        reason: Why it is cancelled or blocked.
        trace: The W3C traceparent of who started it; None: nobody traced it.
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
    rewound_seq: int = 0
    skipped: tuple[int, ...] = ()
    undoable: tuple[tuple[int, int], ...] = ()
    undone: tuple[int, ...] = ()
    undo: Undo | None = None
    due_at: float | None = None
    deadline_at: float | None = None
    remaining_s: float | None = None
    started_at: float = 0
    ended_at: float = 0
    reason: str = ""
    trace: str | None = None


def apply(state: ProcessState | None, event: ProcessEvent, plan: Process) -> ProcessState:
    """Return the state after `event`.

    Raises:
        InvalidStateError: The event is not allowed now; the state is as it was.
    """
    if state is None:
        if not isinstance(event, e.ProcessQueued):
            raise InvalidStateError(f"a history begins with ProcessQueued, not {type(event).__name__}")
        at, index = event.at.timestamp(), plan.names.index(event.step) if event.step else 0
        return ProcessState(S.QUEUED, 1, index=index, due_at=at, remaining_s=plan.timeout, trace=event.trace)
    try:
        allowed, fold = _RULES[type(event)]
    except KeyError:
        raise InvalidStateError(f"{type(event).__name__} is not part of a running history") from None
    if state.status not in allowed:
        raise InvalidStateError(f"{type(event).__name__} is not allowed while {state.status.value}")
    return _replace(state, seq=state.seq + 1, **fold(state, event, plan))


def is_owned(state: ProcessState) -> bool:
    """Tell whether a manager has to see to it now; else it is free, or has ended."""
    return state.status in _OWNED or (state.status is S.UNDOING and state.in_step)


def fold(events: Iterable[ProcessEvent], plan: Process) -> ProcessState:
    """Return the state that a whole history leads to."""
    state: ProcessState | None = None
    for event in events:
        state = apply(state, event, plan)
    if state is None:
        raise InvalidStateError("a process without any event")
    return state


_replace = msgspec.structs.replace

_OWNED = frozenset({S.RUNNING, S.WAITING, S.CANCELLING})

_RULES: Rules = {
    **taking.RULES,
    **stepping.RULES,
    **pausing.RULES,
    **returning.RULES,
    **ending.RULES,
    **undoing.RULES,
}


def current_step(state: ProcessState, plan: Process) -> str | None:
    """Return the name of the current or next step; None if none is left."""
    names = plan.names
    return names[state.index] if state.index < len(names) else None


def undo_step(state: ProcessState, plan: Process) -> str | None:
    """Return the name of the step whose compensation is current or next; None if there is none."""
    return plan.names[state.undoable[-1][0]] if state.undo is not None and state.undoable else None


def running_step(state: ProcessState, plan: Process) -> Step:
    """Return what the current attempt runs: the current step, or a compensation."""
    undone = undo_step(state, plan)
    compensation = None if undone is None else plan.steps[undone].undo
    return plan.steps[plan.names[state.index]] if compensation is None else compensation


def next_code(state: ProcessState, plan: Process) -> Step | None:
    """Return the step whose code whoever takes the process up has to run; None if there is none."""
    if state.undo is not None:
        return running_step(state, plan) if state.undoable else None
    name = current_step(state, plan)
    return None if name is None or plan.steps[name].is_pause else plan.steps[name]


def next_call(state: ProcessState, plan: Process) -> str | None:
    """Return what that code needs to be run; None if there is none."""
    step = next_code(state, plan)
    return None if step is None or step.is_composite else step.needs
