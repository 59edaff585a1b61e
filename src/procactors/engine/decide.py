"""What to do about a process: events for what has happened to it. Pure; the state machine checks them.

Everything here is called with what is known and returns a `Decision` (events and the state they lead to),
or raises to refuse. Stores call some of it inside their transactions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import is_past, to_datetime
from procactors.engine import undoing
from procactors.errors import ErrorInfo
from procactors.executors._executor import NORMAL
from procactors.executors.failure import Failure
from procactors.model import event as e
from procactors.model.sleep import LONGEST_S, Sleep
from procactors.model.state import ProcessState, apply, current_step, next_code, running_step
from procactors.model.status import ProcessStatus as S
from procactors.stores._batch import Decision, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from procactors.executors._executor import Ending
    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.interrupt import Question
    from procactors.model.step import Step


def advance(plan: Process, state: ProcessState | None, *events: ProcessEvent) -> Decision:
    """Return the decision that these events happen; steps that can be undone are, before the process ends.

    Raises:
        InvalidStateError: The state does not allow one of them.
    """
    happened: list[ProcessEvent] = []
    for event in events:
        happened.append(done := undoing.before(state, event))
        state = apply(state, done, plan)
    assert state is not None
    return Decision(tuple(happened), state)


def onward(plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime) -> tuple[ProcessEvent, ...]:
    """Return what follows when nothing is in the way: the next step begins, or the process is finished.

    A step that is nothing but a pause is begun and slept in.
    """
    if state.index == len(plan.names):
        return (finished(state, data, at),)
    started = begin_step(plan, state, at)
    call = plan.steps[started.step].call
    if type(call) is Sleep:
        return (started, e.ProcessSleeping(at=at, due_at=call.ends_at(at), step=started.step))
    return (started,)


def begin_step(plan: Process, state: ProcessState, at: datetime) -> e.StepStarted:
    """Return the event of the next attempt of the current step."""
    return e.StepStarted(at=at, step=plan.names[state.index], attempt=state.next_attempt)


def _later(at: datetime, seconds: float) -> datetime:
    """Return the moment in so many seconds, within the calendar."""
    return at + timedelta(seconds=min(seconds, LONGEST_S))


# Starting.


def start(plan: Process, queued: e.ProcessQueued, owner: str | None, delay: float | None) -> Decision:
    """Decide on a new process: its first step begun if somebody would own it, else queued, or asleep."""
    at = queued.at
    if delay:
        return advance(plan, None, queued, e.ProcessSleeping(at=at, due_at=_later(at, delay)))
    if owner is None:
        return advance(plan, None, queued)
    state = apply(apply(None, queued, plan), started := e.ProcessStarted(at=at, owner=owner), plan)
    first = onward(plan, state, queued.data, at)
    return Decision((queued, started, *first), advance(plan, state, *first).state)


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
    up: ProcessEvent = e.ProcessResumed(at=at, owner=owner)
    if not state.started_at:
        up = e.ProcessStarted(at=at, owner=owner)
    running, events = apply(state, up, plan), [up]
    if running.in_step:
        events.append(awoken := _awoken(plan, running, record.data, at))
        running = apply(running, awoken, plan)
    return advance(plan, state, *events, *onward(plan, running, record.data, at))


def _awoken(plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime) -> e.StepFinished:
    step = plan.names[state.index]
    return e.StepFinished(at=at, step=step, attempt=state.attempt, output=data, payload_seq=state.data_seq)


def held_back(plan: Process, state: ProcessState, decision: Decision, at: datetime) -> Decision:
    """Return the decision with the process released in place of the step that would begin last."""
    return advance(plan, state, *decision.events[:-1], e.ProcessReleased(at=at))


# The end of a step.


def after_success(
    plan: Process,
    state: ProcessState,
    output: msgspec.Raw,
    question: Question | None,
    at: datetime,
    failures: tuple[e.DeferredUpdateFailed, ...] = (),
) -> Decision:
    """Decide after a step has returned: its checkpoint, and with it what comes next.

    `failures` are those of what it has deferred. A compensation has no checkpoint but its own end.
    """
    if state.undo is not None:
        undoing.refuse_question(plan, state, question)
        return advance(plan, state, *failures, undoing.finished(plan, state, at))
    step = plan.names[state.index]
    for failure in failures:
        state = apply(state, failure, plan)
    done = e.StepFinished(at=at, step=step, attempt=state.attempt, output=output)
    state = apply(state, done, plan)
    follow: tuple[ProcessEvent, ...]
    if state.status is S.CANCELLING:
        follow = (e.ProcessCancelled(at=at, reason=state.reason),)
    elif question is None:
        follow = onward(plan, state, output, at)
    else:
        follow = (_interrupted(step, question, output, state, at),)
    followed = advance(plan, state, *follow)
    return Decision((*failures, done, *followed.events), followed.state)


def _interrupted(
    step: str, question: Question, output: msgspec.Raw, state: ProcessState, at: datetime
) -> e.ProcessInterrupted:
    timeout, answer = question.timeout, question.on_timeout
    return e.ProcessInterrupted(
        at=at,
        step=step,
        data=output,
        payload_seq=state.data_seq,
        schema=question.schema,
        schema_type=question.schema_type,
        deadline_at=None if timeout is None else _later(at, timeout),
        on_timeout=None if answer is None else msgspec.Raw(answer),
    )


def finished(state: ProcessState, output: msgspec.Raw, at: datetime) -> e.ProcessFinished:
    """Return the event of a process that has no step left."""
    return e.ProcessFinished(at=at, output=output, payload_seq=state.data_seq)


def after_failure(
    plan: Process, state: ProcessState, failure: Failure, at: datetime, draw: float
) -> Decision:
    """Decide after an attempt has failed: another one later, or the end. `draw` is random in [0, 1)."""
    step = running_step(state, plan)
    counts = failure.retry_after is None
    if state.undo is not None:
        delay = _delay(step, state.failures + counts, failure, draw)
        due_at = None if delay is None else _later(at, delay)
        return advance(plan, state, *undoing.failed(plan, state, failure, at, due_at))
    broke = e.StepFailed(at=at, step=step.name, attempt=state.attempt, error=failure.error, counts=counts)
    failed = apply(state, broke, plan)
    if failed.status is S.CANCELLING:
        return cancelled(plan, state, state.reason, at, broke)
    delay = _delay(step, failed.failures, failure, draw)
    if delay is None:
        return advance(plan, state, broke, e.ProcessFailed(at=at, error=failure.error))
    again = e.StepRetryScheduled(
        at=at,
        step=step.name,
        attempt=state.attempt + 1 if counts else state.attempt,
        due_at=_later(at, delay),
    )
    return advance(plan, state, broke, again)


def _delay(step: Step, failures: int, failure: Failure, draw: float) -> float | None:
    if failure.retry_after is not None:
        return failure.retry_after
    retry = step.retry
    if retry is None or not failure.names or failures >= retry.attempts:
        return None
    if not retry.matches(failure.names):
        return None
    return retry.seconds_after(failures, draw)


def timed_out(plan: Process, state: ProcessState, at: datetime, ending: Ending = NORMAL) -> e.ProcessTimedOut:
    """Return the event of a process whose own time is over; `ending` is that of its running step."""
    step = current_step(state, plan)
    where = f" while step {step!r} was running" if state.in_step else ""
    how = f"; {ending}" if str(ending) else ""
    error = ErrorInfo(
        type="ProcessTimedOutError",
        module="procactors.errors",
        message=f"the process ran into its timeout of {plan.timeout:g} s{where}{how}",
        step=step,
        attempt=state.attempt or None,
        exit_code=ending.exit_code,
        signal=ending.signal,
        stderr=ending.stderr,
        abandoned=ending.abandoned,
    )
    return e.ProcessTimedOut(at=at, error=error)


# Control of free processes.


def cancel(reason: str) -> Callable[[Record, float], Decision | None]:
    """Decide to cancel a free process; None if it has ended, or is undone already."""

    def decide(record: Record, now: float) -> Decision | None:
        if record.state.status.is_ended or record.state.undo is not None:
            return None
        return cancelled(record.plan, record.state, reason, to_datetime(now))

    return decide


def cancelled(
    plan: Process, state: ProcessState, reason: str, at: datetime, *ended: ProcessEvent
) -> Decision:
    """Decide to end a process as cancelled, `ended` being what is known of its last step's end.

    The reason of the first who asked counts.
    """
    if state.status is S.CANCELLING:
        return advance(plan, state, *ended, e.ProcessCancelled(at=at, reason=state.reason))
    requested = e.ProcessCancelRequested(at=at, reason=reason)
    return advance(plan, state, *ended, requested, e.ProcessCancelled(at=at, reason=reason))


def proceeded(
    plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime, *, by_timeout: bool = False
) -> Decision:
    """Decide to go on after an interrupt with `data`; with no step left the process finishes."""
    answer = e.ProcessProceeded(at=at, data=data, timed_out=by_timeout)
    state = apply(state, answer, plan)
    if state.index < len(plan.names):
        return Decision((answer,), state)
    end = finished(state, data, at)
    return Decision((answer, end), apply(state, end, plan))


# What time and crashes do to free processes.


def expire(answered: Callable[[Any, Any], msgspec.Raw]) -> Callable[[Record, float], Decision | None]:
    """Decide on a free process whose time is over; `answered` merges an interrupt's default answer."""

    def decide(record: Record, now: float) -> Decision | None:
        plan, state, at = record.plan, record.state, to_datetime(now)
        if state.status is not S.INTERRUPTED:
            if not is_past(state.deadline_at, now):
                return None
            return advance(plan, state, timed_out(plan, state, at))
        if not is_past(state.due_at, now):
            return None
        question = interrupt_in(record)
        if question.on_timeout is None:
            return advance(plan, state, _unanswered(question, at))
        data = answered(msgspec.json.decode(record.data), question.on_timeout)
        return proceeded(plan, state, data, at, by_timeout=True)

    return decide


def _unanswered(question: e.ProcessInterrupted, at: datetime) -> e.ProcessTimedOut:
    error = ErrorInfo(
        type="ProcessTimedOutError",
        module="procactors.errors",
        message=f"nobody answered the interrupt of step {question.step!r} in time",
        step=question.step,
    )
    return e.ProcessTimedOut(at=at, error=error)


def extend(record: Record, now: float, seconds: float) -> Decision:
    """Decide that so many seconds, in which its queue was paused, do not count towards its timeout."""
    extended = e.DeadlineExtended(at=to_datetime(now), seconds=seconds)
    return advance(record.plan, record.state, extended)


def interrupt_in(record: Record) -> e.ProcessInterrupted:
    """Return the open question of an interrupted process."""
    assert record.interrupt_body is not None
    question = e.decode_body(record.interrupt_body, record.pid, record.state.interrupt_seq, 0)
    assert isinstance(question, e.ProcessInterrupted)
    return question


def recover(reason: str, crash_limit: int) -> Callable[[Record, float], Decision | None]:
    """Decide on a process whose manager is gone: queue it from its last checkpoint, or end it."""

    def decide(record: Record, now: float) -> Decision | None:
        plan, state, at = record.plan, record.state, to_datetime(now)
        wants_end = record.cancel_reason is not None or state.status is S.CANCELLING
        if wants_end and state.undo is None:
            return cancelled(plan, state, record.cancel_reason or "", at)
        if state.in_step and running_step(state, plan).at_most_once:
            return _broken_off(plan, state, at)
        back = e.ProcessRecovered(at=at, owner=record.owner_name or "", reason=reason)
        recovered = apply(state, back, plan)
        if recovered.crashes >= crash_limit:
            return advance(plan, state, back, _crash_loop(plan, recovered, at))
        if is_past(recovered.deadline_at, now):
            return advance(plan, state, back, timed_out(plan, recovered, at))
        return Decision((back,), recovered)

    return decide


def released(plan: Process, state: ProcessState, at: datetime, *ended: ProcessEvent) -> Decision:
    """Decide to give a process back to the queue; a step that may begin only once does not begin again.

    One that is being cancelled ends instead, `ended` being what is known of its last step's end.
    """
    if state.status is S.CANCELLING:
        return cancelled(plan, state, state.reason, at, *ended)
    if state.in_step and running_step(state, plan).at_most_once:
        return _broken_off(plan, state, at)
    return advance(plan, state, e.ProcessReleased(at=at))


def _broken_off(plan: Process, state: ProcessState, at: datetime) -> Decision:
    step = running_step(state, plan).name
    error = ErrorInfo(
        type="StepBrokenOffError",
        module="procactors.errors",
        message=f"the manager ended while step {step!r} was running; it is at_most_once, so it is not"
        " run again: look what it has done, then `skip` or `retry`",
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
        " (options.crash_limit): mend the step, then `retry`",
        step=step,
        attempt=state.attempt,
    )
    if state.undo is not None:
        return undoing.given_up(plan, state, error, at)
    return e.ProcessFailed(at=at, error=error)


def strand(reasons: Mapping[str, str]) -> Callable[[Record, float], Decision | None]:
    """Decide on a process whose next step nobody can run; `reasons` says why, by what it needs."""

    def decide(record: Record, now: float) -> Decision | None:
        step = next_code(record.state, record.plan)
        if step is None:
            return None
        reason = reasons.get(step.needs, "nobody can run it")
        blocked = e.ProcessBlocked(
            at=to_datetime(now), step=step.name, reason=f"step {step.name!r}: {reason}"
        )
        return advance(record.plan, record.state, blocked)

    return decide
