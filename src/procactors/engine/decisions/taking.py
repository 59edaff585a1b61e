"""Who runs a process: it is started, taken up, given back, and recovered when its manager is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import is_past, to_datetime
from procactors.engine.decisions import undoing
from procactors.engine.decisions.advance import advance, and_then, onward
from procactors.engine.decisions.ending import cancelled, timed_out
from procactors.errors import ErrorInfo
from procactors.executors.failure import Failure
from procactors.model import event as e
from procactors.model.sleep import moment_after
from procactors.model.state import current_step, next_code, running_step
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decide, Decision, Record


def start(plan: Process, queued: e.ProcessQueued, owner: str | None, delay: float | None) -> Decision:
    """Decide on a new process: its first step begun if somebody would own it, else queued, or asleep."""
    at = queued.at
    if delay:
        return advance(plan, None, queued, e.ProcessSleeping(at=at, due_at=moment_after(at, delay)))
    if owner is None:
        return advance(plan, None, queued)
    started = advance(plan, None, queued, e.ProcessStarted(at=at, owner=owner))
    return and_then(plan, started, *onward(plan, started.state, queued.data, at))


def take_up(record: Record, now: float, owner: str) -> Decision:
    """Decide on a due process that a manager claims: run its next step, or end it if its time is over.

    If it slept in a step that is nothing but a pause, that step is finished by this: its output is its input.
    """
    plan, state, at = record.plan, record.state, to_datetime(now)
    if state.undo is not None:
        return advance(plan, state, *undoing.going_on(record, owner, at))
    if record.cancel_reason is not None:
        return cancelled(plan, state, record.cancel_reason, at)
    if is_past(state.deadline_at, now):
        return advance(plan, state, timed_out(plan, state, at))
    event = e.ProcessResumed if state.started_at else e.ProcessStarted
    up = advance(plan, state, event(at=at, owner=owner))
    if up.state.in_step:
        up = and_then(plan, up, _awoken(plan, up.state, record.data, at))
    return and_then(plan, up, *onward(plan, up.state, record.data, at))


def _awoken(plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime) -> e.StepFinished:
    step = plan.names[state.index]
    return e.StepFinished(at=at, step=step, attempt=state.attempt, output=data, payload_seq=state.data_seq)


def held_back(plan: Process, state: ProcessState, decision: Decision, at: datetime) -> Decision:
    """Return the decision with the process released in place of the step that would begin last."""
    return advance(plan, state, *decision.events[:-1], e.ProcessReleased(at=at))


def released(plan: Process, state: ProcessState, at: datetime, *ended: ProcessEvent) -> Decision:
    """Decide to give a process back to the queue; a step that may begin only once does not begin again.

    One that is being cancelled ends instead, `ended` being what is known of its last step's end.
    """
    if state.status is S.CANCELLING:
        return cancelled(plan, state, state.reason, at, *ended)
    if state.in_step and running_step(state, plan).at_most_once:
        return _broken_off(plan, state, at)
    return advance(plan, state, e.ProcessReleased(at=at))


def recover(reason: str, crash_limit: int) -> Decide:
    """Decide on a process whose manager is gone: queue it from its last checkpoint, or end it."""

    def decide(record: Record, now: float) -> Decision:
        plan, state, at = record.plan, record.state, to_datetime(now)
        wants_end = record.cancel_reason is not None or state.status is S.CANCELLING
        if wants_end and state.undo is None:
            return cancelled(plan, state, record.cancel_reason or "", at)
        if state.in_step and running_step(state, plan).at_most_once:
            return _broken_off(plan, state, at)
        back = advance(plan, state, e.ProcessRecovered(at=at, owner=record.owner_name or "", reason=reason))
        if back.state.crashes >= crash_limit:
            return and_then(plan, back, _crash_loop(plan, back.state, at))
        if is_past(back.state.deadline_at, now):
            return and_then(plan, back, timed_out(plan, back.state, at))
        return back

    return decide


def _broken_off(plan: Process, state: ProcessState, at: datetime) -> Decision:
    step = running_step(state, plan).name
    error = ErrorInfo(
        type="StepBrokenOffError",
        module="procactors.errors",
        message=f"the manager ended while step {step!r} was running; it is at_most_once, so it is not"
        " run again: check what it has done, then `skip` or `retry` it",
        step=step,
        attempt=state.attempt,
    )
    if state.undo is not None:
        return advance(plan, state, *undoing.failed(plan, state, Failure(error), at, None))
    broke = e.StepFailed(at=at, step=step, attempt=state.attempt, error=error)
    return advance(plan, state, broke, e.ProcessFailed(at=at, error=error))


def _crash_loop(plan: Process, state: ProcessState, at: datetime) -> e.ProcessFailed:
    code = next_code(state, plan)
    step = current_step(state, plan) if code is None else code.name
    error = ErrorInfo(
        type="CrashLoopError",
        module="procactors.errors",
        message=f"its manager went down {state.crashes} times in a row while step {step!r} was running"
        " (options.crash_limit): fix the step, then `retry`",
        step=step,
        attempt=state.attempt,
    )
    if state.undo is not None:
        return undoing.given_up(plan, state, error, at)
    return e.ProcessFailed(at=at, error=error)
