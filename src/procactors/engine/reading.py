"""What users read waits as long as what they write for a store that can't be used, and then fails, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from procactors.actors import Backoff
from procactors.errors import InvalidStoreError, StoreUnavailableError, UnknownProcessError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.engine.room import Room
    from procactors.stores._record import Record

T = TypeVar("T")

_BACKOFF = Backoff(first_s=0.02, most_s=1.0)


async def read(
    room: Room, ask: Callable[..., Awaitable[T]], *args: Any, patience_s: float = float("inf")
) -> T:
    """Return `await ask(*args)` of the store; while it can't be used, ask again.

    Args:
        room: Whose store is asked, and how long its users wait for it.
        ask: A method of the store that only reads.
        args: What it takes.
        patience_s: Seconds to wait if that is less than `options.store_patience_s`.

    Raises:
        StoreUnavailableError: The store could not be used for that long, or the manager was closed meanwhile.
        InvalidStoreError: Waiting would not help.

    Cancellation: safe.
    """
    deadline = room.clock.monotonic() + min(patience_s, room.options.store_patience_s)
    failures = 0
    while True:
        try:
            return await ask(*args)
        except InvalidStoreError:
            raise
        except StoreUnavailableError:
            left = deadline - room.clock.monotonic()
            if left <= 0 or not room.persistence.is_alive:
                raise
        failures += 1
        await anyio.sleep(min(left, _BACKOFF.delay(failures, room.ids.random.random())))
        if not room.persistence.is_alive:
            raise StoreUnavailableError("the manager was closed while its store could not be used")


async def record_of(room: Room, pid: str, patience_s: float = float("inf")) -> Record:
    """Return the record of a process; see `read` for the patience.

    Raises:
        UnknownProcessError: There is no such process.
    """
    record = await read(room, room.store.record, pid, patience_s=patience_s)
    if record is None:
        raise unknown(pid)
    return record


def unknown(pid: str) -> UnknownProcessError:
    """Return the error of a pid that no process has, or that must look like one."""
    return UnknownProcessError(f"there is no process {pid}; it may have been deleted", pid=pid)
