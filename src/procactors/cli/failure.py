"""What a command does when it can't: one clear line on stderr and an exit code, never a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from procactors.cli.console import ReaderGoneError, complain
from procactors.errors import (
    InvalidDataError,
    InvalidDefinitionError,
    ProcactorsError,
    StepNotResolvableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FINISHED = 0
FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 3
STOPPED = 130

_BAD_INPUT = (InvalidDataError, InvalidDefinitionError, StepNotResolvableError)


class CommandError(Exception):
    """A command can't be done; its text is what the person gets to read.

    Attributes:
        exit_code: What the program exits with.
    """

    exit_code = FAILED


class BadInputError(CommandError):
    """What was typed can't be understood."""

    exit_code = BAD_INPUT


@contextmanager
def failures_as_lines() -> Iterator[None]:
    """Turn what goes wrong inside into a line on stderr and an exit code.

    Raises:
        typer.Exit: Instead of the error.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None
    except (CommandError, ProcactorsError, ReaderGoneError, BaseExceptionGroup) as error:
        first = _first_in(error)
        if isinstance(first, ReaderGoneError):
            raise typer.Exit(FAILED) from None
        if isinstance(first, CommandError):
            code = first.exit_code
        elif isinstance(first, ProcactorsError):
            code = BAD_INPUT if isinstance(first, _BAD_INPUT) else FAILED
        else:
            raise
        complain(str(first))
        raise typer.Exit(code) from None


def _first_in(error: BaseException) -> BaseException:
    """Return the first error of a group of errors, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
