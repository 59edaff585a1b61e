"""Durable deferred updates: each is a process of one step, which calls its function."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from procactors.engine.starting import Order, queued, start
from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model import reference
from procactors.model.definition import Process
from procactors.model.reference import step_as
from procactors.model.retry import Retry
from procactors.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.engine.room import Room
    from procactors.stores._batch import Insert

RESOLVE = "procactors_resolve"
"""Name of the service by which an update's function is found again."""


async def run_update(data: dict[str, Any], *, procactors_resolve: Callable[[str], Any]) -> None:
    """Call the function of a durable update, wherever it is found."""
    result = procactors_resolve(data["call"])(*data["args"])
    if inspect.isawaitable(result):
        await result


step_as(run_update, "procactors.update")

_PROCESS = Process(
    "deferred update",
    [Step("run", run_update, services=(RESOLVE,), retry=Retry(attempts=10, delay=1, max_delay=300))],
    timeout=3600,
)


def process_of(update: Any) -> tuple[Process, dict[str, Any]]:
    """Return the process that does a durable update, and its data.

    Args:
        update: Has `function` and `args`, as a `CallableUpdate` has.

    Raises:
        InvalidDefinitionError: Its function could not be found again, so that it can't be durable.
    """
    function = getattr(update, "function", None)
    if function is None:
        raise InvalidDefinitionError(f"{update!r} can't be durable: only a function with its arguments can")
    return _PROCESS, {"call": reference.register(function), "args": list(update.args)}


async def keep(room: Room, update: Any) -> None:
    """Store a durable update as a process.

    Raises:
        InvalidDefinitionError: It can't be durable.
        InvalidDataError: Its arguments can't be stored.

    Cancellation: safe; it was stored, or it was not.
    """
    await enqueue(room, *process_of(update))


async def rescue(room: Room, update: Any) -> bool:
    """Store an update that has to end with its manager, if it can be durable; tell whether it could.

    Cancellation: safe; it was stored, or it was not.
    """
    try:
        await keep(room, update)
    except (InvalidDefinitionError, InvalidDataError):
        return False
    return True


def row_of(room: Room, update: Any) -> Insert:
    """Return what stores a durable update, queued, in somebody else's transaction.

    Raises:
        InvalidDefinitionError: It can't be durable.
        InvalidDataError: Its arguments can't be stored.
    """
    return queued(room, Order(*process_of(update), key=None))


async def enqueue(room: Room, process: Any, data: Any) -> None:
    """Start a process, as `ProcessManager.start` does. Cancellation: safe; it was stored, or it was not."""
    await start(room, Order(process, data, key=None))
