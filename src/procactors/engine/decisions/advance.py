"""What the decisions have in common: how events become one, and what follows when nothing is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.engine.decisions import undoing
from procactors.model import event as e
from procactors.model.sleep import Sleep
from procactors.model.state import apply
from procactors.model.status import ProcessStatus as S
from procactors.stores._record import Decision

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState


def advance(plan: Process, state: ProcessState | None, *events: ProcessEvent) -> Decision:
    """Return the decision that these events happen; before the process ends, its undoable steps are undone.

    Raises:
        InvalidStateError: The state does not allow one of them.
    """
    happened: list[ProcessEvent] = []
    for event in events:
        happened.append(done := undoing.before(state, event))
        state = apply(state, done, plan)
    assert state is not None
    return Decision(tuple(happened), state)


def and_then(plan: Process, decision: Decision, *events: ProcessEvent) -> Decision:
    """Return the decision that these events happen after those of another one.

    Raises:
        InvalidStateError: The state does not allow one of them.
    """
    more = advance(plan, decision.state, *events)
    return Decision((*decision.events, *more.events), more.state)


def onward(plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime) -> tuple[ProcessEvent, ...]:
    """Return what follows between two steps: the next one begins, or the process ends.

    A step that is nothing but a pause is begun and slept in. No step begins once a cancel is recorded.
    """
    if state.status is S.CANCELLING:
        return (e.ProcessCancelled(at=at, reason=state.reason),)
    if state.index == len(plan.names):
        return (finished(state, data, at),)
    step = plan.names[state.index]
    started = e.StepStarted(at=at, step=step, attempt=state.next_attempt)
    call = plan.steps[step].call
    if type(call) is Sleep:
        return (started, e.ProcessSleeping(at=at, due_at=call.ends_at(at), step=step))
    return (started,)


def finished(state: ProcessState, output: msgspec.Raw, at: datetime) -> e.ProcessFinished:
    """Return the event of a process that has no step left."""
    return e.ProcessFinished(at=at, output=output, payload_seq=state.data_seq)
