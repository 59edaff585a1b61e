"""An exception as data: type, message, traceback without the library's own frames, cause chain."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from procactors.errors import ErrorInfo

if TYPE_CHECKING:
    from types import TracebackType

_MESSAGE_CHARS = 10_000
_TRACEBACK_CHARS = 20_000
_CAUSES = 10
_PACKAGE = str(Path(__file__).parent.parent)


def error_info(
    error: BaseException, step: str | None = None, attempt: int | None = None, *, abandoned: bool = False
) -> ErrorInfo:
    """Return what is kept of `error`, with its causes.

    A cause is what was named by `raise ... from`, or else what was being handled when it was raised.
    """
    return _info(error, step, attempt, _CAUSES, abandoned=abandoned)


def _info(
    error: BaseException, step: str | None, attempt: int | None, causes: int, *, abandoned: bool = False
) -> ErrorInfo:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind = type(error)
    return ErrorInfo(
        type=kind.__qualname__,
        message=_message(error)[:_MESSAGE_CHARS],
        module="" if kind.__module__ == "builtins" else kind.__module__,
        traceback=_traceback(error),
        step=step,
        attempt=attempt,
        cause=None if cause is None or not causes else _info(cause, step, attempt, causes - 1),
        abandoned=abandoned,
    )


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
