"""The lookout: waits in one place for other OS processes to change the store, and tells whom it concerns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from procactors.actors import SIGNALS, Actor, Lane, Overflow, TaskEnded
from procactors.engine.messages import Errand, StoreChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.engine.room import Room

_log = logging.getLogger("procactors.engine")

_RETRY_S = 1.0


class LookoutActor(Actor[Any]):
    """Fans out changes of the store."""

    lanes: ClassVar[Sequence[Lane]] = (SIGNALS, Lane("later", overflow=Overflow.COALESCE))

    def __init__(self, room: Room) -> None:
        """Watch the room's store."""
        self._room = room

    async def on_start(self) -> None:
        """Begin to watch."""
        self.spawn(self._watch, name="watch")

    async def receive(self, message: Any) -> None:
        """Watch again, after the store could not be used."""
        match message:
            case TaskEnded(_, _, end):
                _log.warning("the store could not be watched, trying again: %s", end.error)
                self.set_timer("watch", _RETRY_S, Errand("watch"))
            case Errand():
                self._tell()
                self.spawn(self._watch, name="watch")

    async def _watch(self) -> None:
        while True:
            await self._room.store.changed()
            self._tell()

    def _tell(self) -> None:
        self._room.streams.tell(StoreChanged())
        if self._room.runs:
            self._room.supervisor.tell(StoreChanged())
