"""One heap of timers for a whole actor system, served by one task."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors._clock import Clock

_COMPACT_ABOVE = 64

_SLACK_S = 1e-6
"""A sleep may end this much before its timer's moment, by rounding; with virtual time it would for ever."""


class Timer:
    """A call that is due at some moment, unless it is cancelled before."""

    __slots__ = ("_heap", "callback", "when")

    def __init__(self, when: float, callback: Callable[[], None], heap: TimerHeap) -> None:
        """Make a timer of `heap`; use `TimerHeap.at`."""
        self.when = when
        self.callback: Callable[[], None] | None = callback
        self._heap = heap

    def cancel(self) -> None:
        """Never call. Does nothing if it has been called."""
        if self.callback is not None:
            self.callback = None
            self._heap.note_cancelled()

    def __lt__(self, other: Timer) -> bool:
        """Order by time."""
        return self.when < other.when


class TimerHeap:
    """Calls plain functions when they are due. They must be quick, and must not raise."""

    def __init__(self, clock: Clock) -> None:
        """Go by the monotonic time of `clock`."""
        self._clock = clock
        self._heap: list[Timer] = []
        self._cancelled = 0
        self._looks_again_at = 0.0
        self._changed: anyio.Event | None = None

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `when` (monotonic seconds), or soon if that is past."""
        timer = Timer(when, callback, self)
        heapq.heappush(self._heap, timer)
        if when < self._looks_again_at and self._changed is not None:
            self._changed.set()
        return timer

    def after(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in `delay` seconds."""
        return self.at(self._clock.monotonic() + delay, callback)

    def note_cancelled(self) -> None:
        """Throw cancelled timers out once they are the larger part."""
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled > len(self._heap) // 2:
            self._heap = [timer for timer in self._heap if timer.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def run(self) -> None:
        """Serve the timers until cancelled. What is left then is called at once: somebody may wait for it."""
        try:
            while True:
                self._fire_until(self._clock.monotonic() + _SLACK_S)
                await self._next_due()
        finally:
            self._fire_until(float("inf"))

    async def _next_due(self) -> None:
        self._changed = anyio.Event()
        if not self._heap:
            self._looks_again_at = float("inf")
            await self._changed.wait()
            return
        self._looks_again_at = self._heap[0].when
        with anyio.move_on_after(max(0.0, self._looks_again_at - self._clock.monotonic())):
            await self._changed.wait()

    def _fire_until(self, now: float) -> None:
        while self._heap and self._heap[0].when <= now:
            timer = heapq.heappop(self._heap)
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback()

    def __len__(self) -> int:
        """Return how many timers are waiting."""
        return sum(timer.callback is not None for timer in self._heap)
