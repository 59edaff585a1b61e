"""Retention: deletes processes a while after they have ended, in small batches: nothing waits long."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from procactors.actors import Actor, Message, Normal, TaskEnded
from procactors.engine.messages import Write
from procactors.stores._batch import Purge

if TYPE_CHECKING:
    from procactors.engine.room import Room

_log = logging.getLogger("procactors.engine")

_BATCH = 200
_PAUSE_S = 60.0
"""Seconds between looks, at least: retention is not exact to the minute."""
_LONG_PAUSE_S = 600.0
"""The same, at most: what ends meanwhile may be kept for less long than what has ended before."""


class LookForEnded(Message, frozen=True):
    """Some process may have been ended for long enough."""


class RetentionActor(Actor[Any]):
    """Looks for what can be deleted, as rarely as possible."""

    def __init__(self, room: Room) -> None:
        """Delete from the room's store."""
        self._room = room

    async def on_start(self) -> None:
        """Look for the first time."""
        self.spawn(self._purge, name="purge")

    async def receive(self, message: Any) -> None:
        """Look again when it is time."""
        match message:
            case LookForEnded():
                self.spawn(self._purge, name="purge")
            case TaskEnded(_, _, Normal(delay)):
                self.set_timer("look", delay, LookForEnded())
            case TaskEnded(_, _, end):
                _log.warning("retention failed and is tried again: %s", end.error)
                self.set_timer("look", _PAUSE_S, LookForEnded())

    async def _purge(self) -> float:
        """Delete what is old enough, and return in how many seconds to look again."""
        store, keep_s = self._room.store, self._room.options.keep_ended_s
        now = store.now()
        moment = await store.next_purge(keep_s)
        if moment is not None and moment <= now:
            await self._delete(Purge(now - keep_s, _BATCH))
            moment = await store.next_purge(keep_s)
        delay = keep_s if moment is None else moment - now
        return min(max(_PAUSE_S, delay), _LONG_PAUSE_S)

    async def _delete(self, purge: Purge) -> None:
        deleted = 0
        while batch := await self._room.persistence.ask(Write(purge), timeout=None):
            deleted += batch
        if deleted:
            await self._room.store.give_back_space()
