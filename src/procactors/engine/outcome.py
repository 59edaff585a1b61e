"""What it amounts to when a step's time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.errors import ErrorInfo
from procactors.executors.failure import Failure
from procactors.model.retry import names_of

if TYPE_CHECKING:
    from procactors.executors._executor import Ending
    from procactors.model.step import Step


def overdue(step: Step, attempt: int, ending: Ending, *, is_heartbeat: bool) -> Failure:
    """Return the failure of an attempt that ran too long, or stopped to give signs of life."""
    if is_heartbeat:
        message = f"step {step.name!r} gave no heartbeat for {step.heartbeat:g} s"
    else:
        message = f"step {step.name!r} ran into its timeout of {step.timeout:g} s"
    return Failure(_cut_off("TimeoutError", message, step, attempt, ending), names_of(TimeoutError()))


def killed(step: Step, attempt: int, ending: Ending) -> ErrorInfo:
    """Return the error of an attempt whose OS process was ended because the process was cancelled."""
    return _cut_off("CancelledError", f"step {step.name!r} was cancelled", step, attempt, ending)


def _cut_off(kind: str, message: str, step: Step, attempt: int, ending: Ending) -> ErrorInfo:
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
