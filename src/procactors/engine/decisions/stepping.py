"""The end of a step: its checkpoint and what comes next, or its failure and what comes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.engine.decisions import undoing
from procactors.engine.decisions.advance import advance, and_then, onward
from procactors.engine.decisions.ending import cancelled
from procactors.engine.decisions.pausing import interrupted
from procactors.model import event as e
from procactors.model.sleep import moment_after
from procactors.model.state import running_step
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from procactors.executors.failure import Failure
    from procactors.model.definition import Process
    from procactors.model.interrupt import Question
    from procactors.model.state import ProcessState
    from procactors.model.step import Step
    from procactors.stores._record import Decision


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
    checkpoint = e.StepFinished(at=at, step=step, attempt=state.attempt, output=output)
    done = advance(plan, state, *failures, checkpoint)
    if question is None or done.state.status is S.CANCELLING:
        return and_then(plan, done, *onward(plan, done.state, output, at))
    return and_then(plan, done, interrupted(step, question, output, done.state, at))


def after_failure(
    plan: Process, state: ProcessState, failure: Failure, at: datetime, draw: float
) -> Decision:
    """Decide after an attempt has failed: another one later, or the end. `draw` is random in [0, 1)."""
    step = running_step(state, plan)
    counts = failure.retry_after is None
    if state.undo is not None:
        delay = _delay(step, state.failures + counts, failure, draw)
        due_at = None if delay is None else moment_after(at, delay)
        return advance(plan, state, *undoing.failed(plan, state, failure, at, due_at))
    broke = e.StepFailed(at=at, step=step.name, attempt=state.attempt, error=failure.error, counts=counts)
    if state.status is S.CANCELLING:
        return cancelled(plan, state, state.reason, at, broke)
    failed = advance(plan, state, broke)
    delay = _delay(step, failed.state.failures, failure, draw)
    if delay is None:
        return and_then(plan, failed, e.ProcessFailed(at=at, error=failure.error))
    again = e.StepRetryScheduled(
        at=at,
        step=step.name,
        attempt=state.attempt + 1 if counts else state.attempt,
        due_at=moment_after(at, delay),
    )
    return and_then(plan, failed, again)


def _delay(step: Step, failures: int, failure: Failure, draw: float) -> float | None:
    """Return in how many seconds a step is tried again after so many failures; None: never."""
    if failure.retry_after is not None:
        return failure.retry_after
    retry = step.retry
    if retry is None or not failure.names or failures >= retry.attempts:
        return None
    if not retry.matches(failure.names):
        return None
    return retry.seconds_after(failures, draw)
