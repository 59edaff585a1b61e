"""An exception as data: type, message, traceback without the library's own frames, cause chain.

And what the engine needs to decide what follows: whether, and when, the step is tried again.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from procactors.errors import ErrorInfo, Fatal, InvalidDataError, ProcessEndedError, RetryAfter
from procactors.model.retry import names_of

if TYPE_CHECKING:
    from types import TracebackType

_MESSAGE_CHARS = 10_000
_TRACEBACK_CHARS = 20_000
_CAUSES = 10
_PACKAGE = str(Path(__file__).parent.parent)


class Failure(msgspec.Struct, frozen=True):
    """How an attempt failed.

    Attributes:
        error: What is kept of the error.
        names: What `Retry.on` may call it; empty: it is never retried.
        retry_after: Seconds after which the step itself wants another try, which costs no attempt.
    """

    error: ErrorInfo
    names: frozenset[str] = frozenset()
    retry_after: float | None = None


class FailedElsewhere(Exception):  # noqa: N818 - it carries a failure, and is none of its own
    """A step failed in another OS process, or that one ended under it; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        """Carry a failure to where it is decided about."""
        super().__init__(str(failure.error))
        self.failure = failure


def failure_of(error: BaseException, step: str, attempt: int) -> Failure:
    """Return what a step raised, as the decision about it needs it.

    An error that a task group has wrapped, and nothing beside it, counts like itself.
    Data that does not fit is never tried again: it would not fit the next time either.
    """
    if isinstance(error, FailedElsewhere):
        return error.failure
    info, sole = error_info(error, step, attempt), _sole(error)
    if isinstance(sole, RetryAfter):
        return Failure(info, retry_after=sole.seconds)
    if isinstance(sole, Fatal | InvalidDataError):
        return Failure(info)
    return Failure(info, names_of(error) | names_of(sole))


def _sole(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def error_info(
    error: BaseException, step: str | None = None, attempt: int | None = None, *, abandoned: bool = False
) -> ErrorInfo:
    """Return what is kept of `error`, with its causes.

    A cause is what was named by `raise ... from`, or else what was being handled when it was raised; of the
    end of another process it is what that one says of it.
    """
    return _info(error, step, attempt, _CAUSES, abandoned=abandoned)


def _info(
    error: BaseException, step: str | None, attempt: int | None, causes: int, *, abandoned: bool = False
) -> ErrorInfo:
    origin = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind, cause = type(error), _told(error, causes)
    if origin is not None and causes:
        cause = _info(origin, step, attempt, causes - 1)
    return ErrorInfo(
        type=kind.__qualname__,
        message=_message(error)[:_MESSAGE_CHARS],
        module="" if kind.__module__ == "builtins" else kind.__module__,
        traceback=_traceback(error),
        step=step,
        attempt=attempt,
        cause=cause,
        abandoned=abandoned,
    )


def _told(error: BaseException, causes: int) -> ErrorInfo | None:
    """Return what a process whose end was raised says of it, with so many causes in all."""
    told = error.error if isinstance(error, ProcessEndedError) and causes else None
    return told and _with_causes(told, causes - 1)


def _with_causes(info: ErrorInfo, causes: int) -> ErrorInfo:
    cause = _with_causes(info.cause, causes - 1) if info.cause is not None and causes else None
    return msgspec.structs.replace(info, cause=cause)


def _message(error: BaseException) -> str:
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - somebody's __str__; there is no better text
        return "(its message could not be made into text)"


def _traceback(error: BaseException) -> str:
    frames = _from_user_code(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, frames, chain=False))
    return text.encode("utf-8", "backslashreplace").decode()[-_TRACEBACK_CHARS:]


def _from_user_code(frames: TracebackType | None) -> TracebackType | None:
    """Leave out how the library came to call user code; all of it if there is nothing else."""
    start = frames
    while start is not None and start.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        start = start.tb_next
    return start or frames
