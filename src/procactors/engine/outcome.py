"""What a step's end amounts to: an output that can be stored, or a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.engine.decide import Failure
from procactors.errors import ErrorInfo, Fatal, InvalidDataError, RetryAfter
from procactors.executors.failure import error_info
from procactors.model.interrupt import Interrupt
from procactors.model.payload import encode
from procactors.model.retry import names_of

if TYPE_CHECKING:
    from procactors.model.step import Step


class Output(msgspec.Struct, frozen=True):
    """A step's output, encoded, and the interrupt that it asks for."""

    data: msgspec.Raw
    interrupt: Interrupt | None = None


def output_of(value: Any, step: Step, limit_bytes: int) -> Output:
    """Return what a step returned, as it is stored.

    Raises:
        InvalidDataError: It is not JSON-able, or too large.
    """
    what = f"the output of step {step.name!r}"
    if isinstance(value, Interrupt):
        data = encode(value.data, limit_bytes, what)
        answer = encode(value.on_timeout, limit_bytes, f"the on_timeout answer of step {step.name!r}")
        kept = None if value.on_timeout is None else answer
        return Output(data, msgspec.structs.replace(value, on_timeout=kept))
    return Output(encode(value, limit_bytes, what), Interrupt() if step.interrupts else None)


def failure_of(error: BaseException, step: str, attempt: int) -> Failure:
    """Return what a step raised, as the decision about it needs it.

    Data that does not fit is never tried again: it would not fit the next time either.
    """
    info = error_info(error, step, attempt)
    if isinstance(error, RetryAfter):
        return Failure(info, retry_after=error.seconds)
    if isinstance(error, Fatal | InvalidDataError):
        return Failure(info)
    return Failure(info, names_of(error))


def overdue(step: Step, attempt: int, *, is_heartbeat: bool, abandoned: bool) -> Failure:
    """Return the failure of an attempt that ran too long, or stopped to give signs of life."""
    if is_heartbeat:
        message = f"step {step.name!r} gave no heartbeat for {step.heartbeat:g} s"
    else:
        message = f"step {step.name!r} ran into its timeout of {step.timeout:g} s"
    if abandoned:
        message += "; its code could not be stopped and was abandoned"
    names = names_of(TimeoutError())
    info = ErrorInfo(
        type="TimeoutError", message=message, step=step.name, attempt=attempt, abandoned=abandoned
    )
    return Failure(info, names)
