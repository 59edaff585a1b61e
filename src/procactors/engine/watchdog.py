"""The watchdog: one heap of deadlines for all processes of a manager."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, ClassVar

from procactors._clock import is_past
from procactors.actors import WORK, Actor, Lane, Message
from procactors.engine.messages import Unwatch, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.engine.room import Room

_COMPACT_ABOVE = 256


class LookAtTime(Message, frozen=True):
    """The earliest deadline may have passed."""


class WatchdogActor(Actor[Watch | Unwatch | LookAtTime]):
    """Tells process actors that their time is up.

    A deadline that was replaced or forgotten stays in the heap until it is due, and is void then.
    """

    lanes: ClassVar[Sequence[Lane]] = (Lane("work", capacity=100_000, overflow=WORK.overflow),)

    def __init__(self, room: Room) -> None:
        """Go by the room's clock."""
        self._clock = room.clock
        self._heap: list[tuple[float, int, tuple[str, str]]] = []
        self._watched: dict[tuple[str, str], tuple[int, Watch]] = {}
        self._number = 0
        self._timer_at = float("inf")

    async def receive(self, message: Any) -> None:
        """Set, forget, or look at deadlines."""
        if type(message) is Watch:
            self._number += 1
            self._watched[message.key] = (self._number, message)
            heapq.heappush(self._heap, (message.deadline, self._number, message.key))
        elif type(message) is Unwatch:
            self._watched.pop(message.key, None)
            if len(self._heap) > _COMPACT_ABOVE + 2 * len(self._watched):
                self._compact()
        else:
            self._timer_at = float("inf")
            self._tell_those_due()
        self._set_timer()

    def _tell_those_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and is_past(self._heap[0][0], now):
            _, number, key = heapq.heappop(self._heap)
            if key in self._watched and self._watched[key][0] == number:
                watch = self._watched.pop(key)[1]
                watch.actor.tell(watch.message)

    def _set_timer(self) -> None:
        if self._heap and self._heap[0][0] < self._timer_at:
            self._timer_at = self._heap[0][0]
            self.set_timer("look", max(0.0, self._timer_at - self._clock.monotonic()), LookAtTime())

    def _compact(self) -> None:
        self._heap = [(watch.deadline, number, key) for key, (number, watch) in self._watched.items()]
        heapq.heapify(self._heap)
