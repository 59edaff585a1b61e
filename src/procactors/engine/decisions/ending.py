"""How a process ends before its last step: it is cancelled, or its time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import to_datetime
from procactors.engine.decisions.advance import advance
from procactors.errors import ErrorInfo
from procactors.executors._executor import NORMAL
from procactors.model import event as e
from procactors.model.state import current_step
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from datetime import datetime

    from procactors.executors._executor import Ending
    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decide, Decision, Record


def cancel(reason: str) -> Decide:
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


def unanswered(question: e.ProcessInterrupted, at: datetime) -> e.ProcessTimedOut:
    """Return the event of a process whose interrupt was not answered in time."""
    error = ErrorInfo(
        type="ProcessTimedOutError",
        module="procactors.errors",
        message=f"nobody answered the interrupt of step {question.step!r} in time",
        step=question.step,
    )
    return e.ProcessTimedOut(at=at, error=error)
