"""Going back by hand: what becomes of a process that is retried or rewound, or skips a step. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import to_datetime
from procactors.engine.decisions.advance import advance, and_then, finished
from procactors.errors import InvalidStateError
from procactors.model import event as e
from procactors.model.state import current_step, undo_step
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procactors.stores._record import Decide, Decision, Record


def retry(record: Record, now: float) -> Decision:
    """Decide to go on with a failed process from its failed step."""
    step = undo_step(record.state, record.plan) or current_step(record.state, record.plan)
    if record.state.status not in {S.FAILED, S.TIMED_OUT} or step is None:
        raise wrong_status(record, "only a process that failed or timed out can be retried")
    _refuse_undone(record)
    return advance(record.plan, record.state, e.ProcessRetried(at=to_datetime(now), step=step))


def revive(reason: str) -> Decide:
    """Decide to let a child go on that failed, or was cancelled for `reason` when its parent ended."""

    def decide(record: Record, now: float) -> Decision | None:
        state, step = record.state, current_step(record.state, record.plan)
        if state.status is not S.CANCELLED or state.reason != reason or step is None:
            return retry(record, now)
        back = e.ProcessRewound(at=to_datetime(now), step=step, data_seq=state.data_seq)
        return advance(record.plan, state, back)

    return decide


def skip(step: str) -> Decide:
    """Decide to go on behind a step that failed, or that nobody can run; with no step left it is finished."""

    def decide(record: Record, now: float) -> Decision:
        plan, state, at = record.plan, record.state, to_datetime(now)
        check_step(record, step)
        if state.status not in {S.BLOCKED, S.FAILED}:
            raise wrong_status(record, "only a step that failed, or that blocks its process, can be skipped")
        _refuse_undone(record)
        current = undo_step(state, plan) or current_step(state, plan)
        if step != current:
            raise InvalidStateError(
                f"process {record.pid} is {state.status.value} at step {current!r}: step {step!r} is not the"
                " one to skip",
                pid=record.pid,
                step=step,
            )
        skipped = e.StepSkipped(at=at, step=step, attempt=state.attempt or state.next_attempt)
        behind = advance(plan, state, skipped)
        if behind.state.index < len(plan.names) or behind.state.undo is not None:
            return behind
        return and_then(plan, behind, finished(behind.state, record.data, at))

    return decide


def rewind(step: str, inputs: Mapping[str, int], seq: int) -> Decide:
    """Decide to go back to a step; `inputs` says where its input is, as of event number `seq`.

    None if more has happened since then: look again.
    """

    def decide(record: Record, now: float) -> Decision | None:
        state = record.state
        if state.seq != seq:
            return None
        if not state.started_at and state.status in {S.QUEUED, S.SLEEPING}:
            raise wrong_status(record, "it has not begun, so that there is nothing to go back to")
        data_seq = input_of(record, step, inputs)
        gone = [name for name in record.plan.names[: record.plan.names.index(step)] if name in undone(record)]
        if gone:
            raise InvalidStateError(
                f"step {gone[0]!r} of process {record.pid} was undone: rewind to that one, to do it again",
                pid=record.pid,
                step=step,
            )
        rewound = e.ProcessRewound(at=to_datetime(now), step=step, data_seq=data_seq)
        return advance(record.plan, state, rewound)

    return decide


def undone(record: Record) -> list[str]:
    """Return the steps that were undone, in their order."""
    return [record.plan.names[index] for index in sorted(record.state.undone)]


def _refuse_undone(record: Record) -> None:
    """Refuse to go on from where steps were undone, unless that itself is what goes on."""
    if record.state.undo is None and record.state.undone:
        raise wrong_status(
            record, f"step {undone(record)[0]!r} was undone, so the process can't go on from here: rewind it"
        )


def input_of(record: Record, step: str, inputs: Mapping[str, int]) -> int:
    """Return the event that holds the input of a step.

    Raises:
        InvalidStateError: There is no such step, or it has not begun in this process.
    """
    check_step(record, step)
    if step not in inputs:
        raise InvalidStateError(
            f"step {step!r} has no recorded input in process {record.pid}, which is"
            f" {record.state.status.value}: it has not begun there",
            pid=record.pid,
            step=step,
        )
    return inputs[step]


def check_step(record: Record, step: str) -> None:
    """Raise InvalidStateError if the process has no such step."""
    if step not in record.plan.steps:
        raise InvalidStateError(
            f"process {record.pid} has no step {step!r}; its steps are {', '.join(record.plan.names)}",
            pid=record.pid,
            step=step,
        )


def wrong_status(record: Record, rule: str) -> InvalidStateError:
    """Return the error of a verb that the process's status does not allow."""
    return InvalidStateError(f"process {record.pid} is {record.state.status.value}: {rule}", pid=record.pid)
