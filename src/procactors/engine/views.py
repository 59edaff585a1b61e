"""What readers get of a process: its info, and its result."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors._clock import to_datetime
from procactors.engine.follower import Follower
from procactors.engine.messages import Follow, Unfollow
from procactors.engine.reading import record_of
from procactors.errors import (
    ActorStoppedError,
    ErrorInfo,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessTimedOutError,
)
from procactors.model import event as e
from procactors.model.event_body import decode_body
from procactors.model.info import InterruptInfo, ProcessInfo, Progress, last_completed, step_statuses
from procactors.model.state import current_step, undo_step
from procactors.model.status import ProcessStatus as S
from procactors.model.text import shown

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.stores._record import Record


def info_of(record: Record) -> ProcessInfo:
    """Return a record as readers get it, its data plain and fresh."""
    state, plan = record.state, record.plan
    data = msgspec.json.decode(record.data)
    is_due = state.status in {S.QUEUED, S.SLEEPING, S.BLOCKED}
    return ProcessInfo(
        pid=record.pid,
        name=record.name,
        key=record.key,
        tags=record.tags,
        group=record.group,
        priority=record.priority,
        status=S.CANCELLING
        if record.cancel_reason is not None and not state.status.is_ended and state.undo is None
        else state.status,
        data=data,
        output=data if state.status is S.FINISHED else None,
        error=_error_in(record),
        interrupt=_interrupt_in(record),
        steps=step_statuses(state, plan),
        step=current_step(state, plan),
        undone=tuple(plan.names[index] for index in state.undone),
        undoing=undo_step(state, plan),
        last_completed_step=last_completed(state, plan),
        progress=_progress_in(record),
        attempt=state.attempt
        if state.in_step or (state.status.is_ended and state.attempt)
        else state.next_attempt,
        created_at=to_datetime(record.created_at),
        started_at=to_datetime(state.started_at) if state.started_at else None,
        ended_at=to_datetime(state.ended_at) if state.ended_at else None,
        deadline_at=to_datetime(state.deadline_at) if state.deadline_at else None,
        due_at=to_datetime(state.due_at) if is_due and state.due_at else None,
        reason=state.reason,
        parent_pid=record.parent_pid,
        depth=record.depth,
        owner=record.owner_name,
        seq=state.seq,
    )


def _error_in(record: Record) -> ErrorInfo | None:
    state = record.state
    waits_for_retry = state.status is S.SLEEPING and not state.in_step
    has_error = state.status in {S.FAILED, S.TIMED_OUT, S.UNDOING} or state.failures or waits_for_retry
    return record.error() if has_error else None


def _interrupt_in(record: Record) -> InterruptInfo | None:
    if record.state.status is not S.INTERRUPTED:
        return None
    question = record.question()
    return InterruptInfo(
        step=question.step,
        data=msgspec.json.decode(record.data),
        schema=question.schema,
        deadline_at=question.deadline_at,
    )


def _progress_in(record: Record) -> Progress | None:
    if record.progress is None:
        return None
    event = decode_body(record.progress, record.pid, record.state.seq, 0)
    if not isinstance(event, e.StepProgressed):
        return None
    return Progress(event.done, event.total, event.text)


async def result_of(room: Room, pid: str, timeout: float | None) -> Any:
    """Wait for the end of a process, and return its output or raise how it ended.

    Only waiting is limited: how a process has ended is told even with a timeout of 0.
    """
    check_timeout(timeout)
    follower = Follower(pid, wants_ends_only=True)
    deadline = None if timeout is None else room.clock.monotonic() + timeout
    try:
        followed = await room.streams.ask(Follow(follower), timeout=None)
        if not followed.is_alive:
            record = await record_of(room, pid, float("inf") if timeout is None else timeout)
            if record.state.status.is_ended:
                return outcome_of(record)
        left = None if deadline is None else deadline - room.clock.monotonic()
        with nullcontext() if left is None else anyio.fail_after(left):
            await follower.wait()
        end = follower.take()
    finally:
        room.streams.tell(Unfollow(follower))
    if end is None:
        raise ActorStoppedError(
            "the manager was closed; the process goes on, ask another manager for its result"
        )
    return _outcome(pid, end)


def check_timeout(timeout: Any) -> None:
    """Raise ValueError if it is neither a number of seconds nor None."""
    if timeout is not None and (not isinstance(timeout, int | float) or math.isnan(timeout)):
        problem = f"timeout must be a number of seconds, or None (as long as it takes), not {shown(timeout)}"
        raise ValueError(problem)


def outcome_of(record: Record) -> Any:
    """Return the output of a process that has ended, or raise how it ended."""
    return _outcome(record.pid, _end_in(record))


def _end_in(record: Record) -> e.ProcessEvent:
    at, state = to_datetime(record.state.ended_at), record.state
    if state.status is S.FINISHED:
        return e.ProcessFinished(at=at, output=msgspec.json.decode(record.data))
    if state.status is S.CANCELLED:
        return e.ProcessCancelled(at=at, reason=state.reason)
    error = _error_in(record)
    if state.status is S.TIMED_OUT:
        return e.ProcessTimedOut(at=at, error=error)
    assert error is not None
    return e.ProcessFailed(at=at, error=error)


def _outcome(pid: str, end: e.ProcessEvent) -> Any:
    match end:
        case e.ProcessFinished(output=output):
            return output
        case e.ProcessCancelled(reason=reason):
            because = f": {reason}" if reason else ""
            cancelled = ProcessCancelledError(f"process {pid} was cancelled{because}", pid=pid)
            cancelled.reason = reason
            raise cancelled
        case e.ProcessTimedOut(error=error):
            raise _ended_by(ProcessTimedOutError, pid, error)
        case e.ProcessFailed(error=error):
            raise _ended_by(ProcessFailedError, pid, error)
    raise AssertionError(end)


def _ended_by(
    kind: type[ProcessFailedError | ProcessTimedOutError], pid: str, error: ErrorInfo | None
) -> ProcessFailedError | ProcessTimedOutError:
    step = None if error is None else error.step
    attempt = None if error is None else error.attempt
    where = f" in step {step!r}" if step else ""
    tries = f" (attempt {attempt})" if attempt else ""
    verb = "failed" if kind is ProcessFailedError else "timed out"
    ended = kind(
        f"process {pid} {verb}{where}{tries}: {error}", pid=pid, step=step, attempt=attempt, error=error
    )
    if error is not None and error.traceback:
        ended.add_note(error.traceback.rstrip())
    return ended
