"""Durable deferred updates: each is a process of one step, which calls its function."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from procactors.engine.starting import Order, queued, start
from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model import reference
from procactors.model.definition import Process
from procactors.model.payload import encode
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
    try:
        call = reference.register(function)
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(
            f"what is deferred with durable=True is kept as a step: {error}"
        ) from error
    return _PROCESS, {"call": call, "args": list(update.args)}


def check(room: Room, update: Any) -> None:
    """Refuse an update that can't be durable. From any thread.

    Raises:
        InvalidDefinitionError: Its function could not be found again.
        InvalidDataError: Its arguments can't be stored.
    """
    _, data = process_of(update)
    encode(
        data["args"], room.options.payload_limit_bytes, f"the arguments of {data['call']}, which is durable,"
    )


class Keeper:
    """What a scope of deferred updates needs of a manager: a place to store processes and updates."""

    def __init__(self, room: Room) -> None:
        """Stand for the manager of this room."""
        self._room = room

    async def start(self, process: Any, data: Any) -> None:
        """Start a process. Cancellation: safe; it was stored, or it was not."""
        await start(self._room, Order(process, data, key=None))

    async def keep_update(self, update: Any) -> None:
        """Store a durable update as a process.

        Raises:
            InvalidDefinitionError: It can't be durable.
            InvalidDataError: Its arguments can't be stored.

        Cancellation: safe; it was stored, or it was not.
        """
        await self.start(*process_of(update))

    def check_update(self, update: Any) -> None:
        """Refuse an update that can't be durable; see `check`."""
        check(self._room, update)


async def rescue(room: Room, update: Any) -> bool:
    """Store an update that would be lost with its manager, if it can be durable; tell whether it was.

    Cancellation: safe; it was stored, or it was not.
    """
    try:
        await Keeper(room).keep_update(update)
    except (InvalidDefinitionError, InvalidDataError):
        return False
    return True


def row_of(room: Room, update: Any) -> Insert:
    """Return the operation that stores a durable update, queued, in anybody's transaction.

    Raises:
        InvalidDefinitionError: It can't be durable.
        InvalidDataError: Its arguments can't be stored.
    """
    return queued(room, Order(*process_of(update), key=None))
