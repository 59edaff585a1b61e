"""The receiving end of a stream: a bounded buffer between the streams actor and one subscriber."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from procactors._wakeup import Wakeup, new_wakeup, wake

if TYPE_CHECKING:
    from procactors.model.event import ProcessEvent

_BUFFER = 1000


class Follower:
    """Takes events without ever blocking; when the buffer is full it is emptied and marked as behind."""

    __slots__ = ("_arrival", "_events", "is_behind", "is_closed", "pid", "wants_ends_only")

    def __init__(self, pid: str | None, *, wants_ends_only: bool = False) -> None:
        """Follow one process, or all (None)."""
        self.pid = pid
        self.wants_ends_only = wants_ends_only
        self.is_behind = False
        self.is_closed = False
        self._events: deque[ProcessEvent] = deque()
        self._arrival: Wakeup | None = None

    def offer(self, event: ProcessEvent) -> None:
        """Take an event."""
        if len(self._events) >= _BUFFER:
            self._events.clear()
            self.is_behind = True
        if not self.is_behind:
            self._events.append(event)
        self.wake()

    def close(self) -> None:
        """Let the subscriber know that nothing will come any more."""
        self.is_closed = True
        self.wake()

    def wake(self) -> None:
        """Let a waiting subscriber look again."""
        if self._arrival is not None:
            wake(self._arrival)
            self._arrival = None

    def take(self) -> ProcessEvent | None:
        """Return the oldest event in the buffer, if there is one."""
        return self._events.popleft() if self._events else None

    @property
    def has_news(self) -> bool:
        """Whether there is an event, or the follower is behind or closed."""
        return bool(self._events or self.is_behind or self.is_closed)

    async def wait(self) -> None:
        """Wait until there is news."""
        if not self.has_news:
            self._arrival = new_wakeup()
            await self._arrival
