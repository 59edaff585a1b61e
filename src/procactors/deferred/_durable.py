"""Durable updates: not run here, but kept somewhere from which a process does them, even after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.deferred._stage import Stage
from procactors.deferred._updates import settled

if TYPE_CHECKING:
    from procactors.deferred._level import Level
    from procactors.deferred._rounds import Entry
    from procactors.deferred._shared import Shared


async def keep_all(level: Level, shared: Shared) -> None:
    """Have those kept that wait in `level` and are not tied to an open transaction.

    Raises:
        Exception: What keeping one raised; it and those after it stay in the queue.

    Cancellation: those that are not kept yet stay in the queue.
    """
    entries = take_durable(level, shared)
    for index, entry in enumerate(entries):
        try:
            await shared.keep(entry.update)
        except BaseException:
            level.put_back(entries[index:], Stage.POSTSEND)
            raise


def take_durable(level: Level, shared: Shared) -> list[Entry]:
    """Take out what is to be kept now, but for what a rollback has cancelled."""
    taken = level.take(_is_to_keep)
    kept = [entry for entry in taken if not settled(entry.update)]
    shared.counts.cancelled += len(taken) - len(kept)
    return kept


def _is_to_keep(entry: Entry) -> bool:
    return entry.durable and (entry.tie is None or not (entry.tie.is_waiting or entry.tie.is_dropped))
