"""A step that was cut short: its own time was over, or somebody wanted something more urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.engine.decisions.advance import advance
from procactors.engine.decisions.stepping import after_failure
from procactors.errors import ErrorInfo
from procactors.executors.failure import Failure
from procactors.model import event as e
from procactors.model.retry import names_of
from procactors.model.state import running_step
from procactors.stores._record import Decision

if TYPE_CHECKING:
    from datetime import datetime

    from procactors.executors._executor import Ending
    from procactors.model.definition import Process
    from procactors.model.state import ProcessState
    from procactors.model.step import Step


def overdue(
    plan: Process, state: ProcessState, ending: Ending, at: datetime, draw: float, *, is_heartbeat: bool
) -> Decision:
    """Decide after an attempt has run for too long, or has stopped giving heartbeats: it has failed.

    `ending` is how its code ended, `draw` is random in [0, 1).
    """
    step = running_step(state, plan)
    if is_heartbeat:
        message = f"step {step.name!r} gave no heartbeat for {step.heartbeat:g} s"
    else:
        message = f"step {step.name!r} ran into its timeout of {step.timeout:g} s"
    error = _error("TimeoutError", message, step, state.attempt, ending)
    return after_failure(plan, state, Failure(error, names_of(TimeoutError())), at, draw)


def cut_off(plan: Process, state: ProcessState, ending: Ending, at: datetime) -> Decision:
    """Return what the history says of a step that was cancelled: of an OS process, how it ended."""
    if not state.in_step or not (ending.signal or ending.exit_code is not None):
        return Decision((), state)
    step = running_step(state, plan)
    error = _error("CancelledError", f"step {step.name!r} was cancelled", step, state.attempt, ending)
    return advance(plan, state, e.StepFailed(at=at, step=step.name, attempt=state.attempt, error=error))


def _error(kind: str, message: str, step: Step, attempt: int, ending: Ending) -> ErrorInfo:
    return ErrorInfo(
        type=kind,
        message=f"{message}; {ending}" if str(ending) else message,
        step=step.name,
        attempt=attempt,
        exit_code=ending.exit_code,
        signal=ending.signal,
        stderr=ending.stderr,
        abandoned=ending.abandoned,
    )
