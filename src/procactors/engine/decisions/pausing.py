"""Pauses between steps: interrupts and their answers, what waited too long, steps that nobody can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import is_past, to_datetime
from procactors.engine.decisions.advance import advance, and_then, finished
from procactors.engine.decisions.ending import timed_out, unanswered
from procactors.model import event as e
from procactors.model.sleep import moment_after
from procactors.model.state import next_code
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from procactors.model.definition import Process
    from procactors.model.interrupt import Question
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decide, Decision, Record

Merge = Callable[[Any, Any], msgspec.Raw]
"""Merges an interrupt's answer over the data, as it is stored."""


def interrupted(
    step: str, question: Question, output: msgspec.Raw, state: ProcessState, at: datetime
) -> e.ProcessInterrupted:
    """Return the event of a step that asks a question with its output."""
    timeout, answer = question.timeout, question.on_timeout
    return e.ProcessInterrupted(
        at=at,
        step=step,
        data=output,
        payload_seq=state.data_seq,
        schema=question.schema,
        schema_type=question.schema_type,
        deadline_at=None if timeout is None else moment_after(at, timeout),
        on_timeout=None if answer is None else msgspec.Raw(answer),
    )


def proceeded(
    plan: Process, state: ProcessState, data: msgspec.Raw, at: datetime, *, by_timeout: bool = False
) -> Decision:
    """Decide to go on after an interrupt with `data`; with no step left the process finishes."""
    answered = advance(plan, state, e.ProcessProceeded(at=at, data=data, timed_out=by_timeout))
    if answered.state.index < len(plan.names):
        return answered
    return and_then(plan, answered, finished(answered.state, data, at))


def expire(merge: Merge) -> Decide:
    """Decide on a free process whose time is over; `merge` is for an interrupt's default answer."""

    def decide(record: Record, now: float) -> Decision | None:
        plan, state, at = record.plan, record.state, to_datetime(now)
        if state.status is not S.INTERRUPTED:
            if not is_past(state.deadline_at, now):
                return None
            return advance(plan, state, timed_out(plan, state, at))
        if not is_past(state.due_at, now):
            return None
        question = record.question()
        if question.on_timeout is None:
            return advance(plan, state, unanswered(question, at))
        data = merge(msgspec.json.decode(record.data), question.on_timeout)
        return proceeded(plan, state, data, at, by_timeout=True)

    return decide


def extend(record: Record, now: float, seconds: float) -> Decision:
    """Decide that so many seconds, in which its queue was paused, do not count towards its timeout."""
    extended = e.DeadlineExtended(at=to_datetime(now), seconds=seconds)
    return advance(record.plan, record.state, extended)


def strand(reasons: Mapping[str, str]) -> Decide:
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
