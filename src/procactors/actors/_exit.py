"""How an actor, or a task of one, ended: as data, never as an exception that travels by itself.

An exit is what watchers are told and what a supervisor decides on. Nothing that runs in the actor
system ever ends as an `ExceptionGroup` for somebody to catch.
"""

from __future__ import annotations

from typing import Any

import msgspec

from procactors.actors._host import was_cancelled
from procactors.errors import ActorError


class Exit(msgspec.Struct, frozen=True):
    """How it ended; one of the subclasses."""

    @property
    def error(self) -> BaseException | None:
        """The error behind the end, if there is one."""
        return None


class Normal(Exit, frozen=True):
    """It had nothing more to do: it stopped itself, or its function returned `value`."""

    value: Any = None


class Stopped(Exit, frozen=True):
    """It was asked to stop, and did."""

    reason: str = ""


class Cancelled(Exit, frozen=True):
    """It did not stop within its grace and was cancelled, or its task was."""


class Failed(Exit, frozen=True):
    """It raised. `gave_up` is true when its supervisor will not start it again."""

    cause: BaseException
    gave_up: bool = False

    @property
    def error(self) -> BaseException:
        """What it raised."""
        return self.cause


class Abandoned(Exit, frozen=True):
    """It ignored stop and cancellation, was left behind, and will never run again."""


def exit_by(error: BaseException) -> Exit:
    """Return the exit of what `error` ended, an `Exception` or the loop's cancellation.

    A cancellation counts as one only if somebody asked for it. A `CancelledError` that comes out of a
    cancelled future on which it waited is a failure as any other.
    """
    if isinstance(error, Exception):
        return Failed(error)
    if was_cancelled():
        return Cancelled()
    stray = ActorError("CancelledError, though nobody cancelled it: something that it awaited was cancelled")
    stray.__cause__ = error
    return Failed(stray)
