"""What becomes of updates that never had their turn: handed to somebody, or logged; never just gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.deferred._level import is_dropped
from procactors.deferred._runner import log_failure, log_lost
from procactors.deferred._stage import Stage
from procactors.deferred._transactions import called
from procactors.deferred._updates import EnqueueableUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.deferred._level import Level
    from procactors.deferred._rounds import Entry
    from procactors.deferred._shared import Shared


def take_leftovers(root: Level, shared: Shared) -> list[Entry]:
    """Take out everything that has not run to its end: interrupted, pending, parked."""
    left = [*shared.interrupted, *root.take(lambda entry: not is_dropped(entry)), *shared.parked]
    shared.interrupted.clear()
    shared.parked.clear()
    return left


async def hand_over(root: Level, shared: Shared, rescue: Callable[[Any], Any] | None) -> int:
    """Take out what is left and return how many found nobody to take them.

    Durable ones are kept, enqueueable ones become processes, the others are offered to `rescue`, which
    returns true if it has taken the update. What nobody takes is logged with its origin.

    Cancellation: what was not handed over is logged.
    """
    left = take_leftovers(root, shared)
    lost = 0
    while left:
        entry = left.pop(0)
        try:
            if await _is_taken(entry, shared, rescue):
                continue
        except Exception as error:  # noqa: BLE001 - the others are to be handed over all the same
            log_failure(entry, "hand over", error)
        except BaseException:
            log_lost([entry, *left], "its scope was cancelled")
            raise
        lost += 1
        log_lost([entry], "its scope ended before it had run")
    return lost


async def _is_taken(entry: Entry, shared: Shared, rescue: Callable[[Any], Any] | None) -> bool:
    if entry.tie is not None:
        return False  # it must not happen unless its transaction commits, which nobody waits for any more
    if entry.durable:
        await shared.keep(entry.update)
        return True
    if isinstance(entry.update, EnqueueableUpdate) and shared.can_enqueue:
        await shared.enqueue(entry.update)
        return True
    return rescue is not None and bool(await called(rescue, entry.update))


def discard(root: Level, shared: Shared, reason: str, *, even_always: bool) -> int:
    """Drop what waits, log it, return how many; what was added with `always=True` only if told so."""
    dropped: list[Entry] = []
    for entry in take_leftovers(root, shared):
        if even_always or not entry.always:
            dropped.append(entry)
        else:
            root.add(entry, Stage.POSTSEND)
    log_lost(dropped, reason)
    return len(dropped)
