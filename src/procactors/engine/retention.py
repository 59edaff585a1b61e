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
"""Seconds between looks: retention is not exact to the minute."""


class LookForEnded(Message, frozen=True):
    """Some process may have been ended for long enough."""


class RetentionActor(Actor[Any]):
    """Looks for what can go, as seldom as it may."""

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
        keep_s = self._room.options.keep_ended_s
        now = self._room.store.now()
        purge = Purge(now - keep_s, _BATCH)
        while await self._room.persistence.ask(Write(purge), timeout=None) == _BATCH:
            pass
        oldest = (await self._room.store.next_moments(now))[2]
        return max(_PAUSE_S, keep_s if oldest is None else oldest + keep_s - now)
