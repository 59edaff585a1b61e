"""Undo: what comes before a process ends that has steps to undo, and after each compensation. Pure.

After each compensation, as before the first, the process is free and due: the next manager with a free slot
goes on. So a crash in between, another manager, or a client that cancels a sleeping process are no cases of
their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.errors import ErrorInfo, InvalidDefinitionError
from procactors.executors.output import Output
from procactors.model import event as e
from procactors.model.interrupt import Interrupt
from procactors.model.state import undo_step
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from datetime import datetime

    from procactors.executors.failure import Failure
    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.interrupt import Question
    from procactors.model.state import ProcessState
    from procactors.stores._record import Record

_ENDS = {e.ProcessFailed: S.FAILED, e.ProcessTimedOut: S.TIMED_OUT, e.ProcessCancelled: S.CANCELLED}


def before(state: ProcessState | None, event: ProcessEvent) -> ProcessEvent:
    """Return an event, or in place of an end that has to wait for it, the beginning of undo."""
    if state is None or not state.undoable or state.undo is not None or type(event) not in _ENDS:
        return event
    return e.ProcessUndoing(
        at=event.at,
        end=_ENDS[type(event)].value,
        error=getattr(event, "error", None),
        reason=getattr(event, "reason", ""),
    )


def going_on(record: Record, owner: str, at: datetime) -> tuple[ProcessEvent, ...]:
    """Return what follows when it is taken up: the next compensation begins, or the process ends."""
    state = record.state
    step = undo_step(state, record.plan)
    if step is None:
        return (_end(record, at),)
    begun = e.UndoStarted(at=at, step=step, attempt=state.next_attempt)
    return (e.ProcessResumed(at=at, owner=owner), begun)


def _end(record: Record, at: datetime) -> ProcessEvent:
    undo = record.state.undo
    assert undo is not None
    error = record.error()
    if undo.end is S.CANCELLED:
        return e.ProcessCancelled(at=at, reason=undo.reason)
    if undo.end is S.TIMED_OUT:
        return e.ProcessTimedOut(at=at, error=error)
    assert error is not None
    return e.ProcessFailed(at=at, error=error)


def answer_of(state: ProcessState, value: Any) -> Any:
    """Return the part of a step's result that counts: of a compensation only a wish to interrupt."""
    return value if state.undo is None or isinstance(value, Interrupt | Output) else None


def refuse_question(plan: Process, state: ProcessState, question: Question | None) -> None:
    """Raise InvalidDefinitionError if a compensation wants to interrupt."""
    if question is not None:
        step = _step(plan, state)
        raise InvalidDefinitionError(f"the undo of step {step!r} can't interrupt", step=step)


def finished(plan: Process, state: ProcessState, at: datetime) -> e.UndoFinished:
    """Return the event of a compensation that is over."""
    return e.UndoFinished(at=at, step=_step(plan, state), attempt=state.attempt)


def failed(
    plan: Process, state: ProcessState, failure: Failure, at: datetime, due_at: datetime | None
) -> tuple[ProcessEvent, ...]:
    """Return what follows when an attempt of a compensation has failed: another at `due_at`, or the end."""
    step = _step(plan, state)
    counts = failure.retry_after is None
    broke = e.UndoFailed(
        at=at, step=step, attempt=state.attempt, error=failure.error, counts=counts, due_at=due_at
    )
    return (broke,) if due_at else (broke, given_up(plan, state, failure.error, at))


def given_up(plan: Process, state: ProcessState, error: ErrorInfo, at: datetime) -> e.ProcessFailed:
    """Return the end of a process whose undo could not be done."""
    assert state.undo is not None
    step, left = _step(plan, state), [plan.names[index] for index, _ in reversed(state.undoable)]
    was = "had been cancelled" if state.undo.end is S.CANCELLED else f"had {_WORDS[state.undo.end]}"
    told = ErrorInfo(
        type="UndoFailedError",
        module="procactors.errors",
        message=f"the undo of step {step!r} failed: {error}; the process {was}, still to undo:"
        f" {', '.join(left)}; fix the undo, then `retry`, or `skip` it",
        step=step,
        attempt=state.attempt,
        cause=error,
    )
    return e.ProcessFailed(at=at, error=told)


_WORDS = {S.FAILED: "failed", S.TIMED_OUT: "timed out"}


def _step(plan: Process, state: ProcessState) -> str:
    step = undo_step(state, plan)
    assert step is not None
    return step
