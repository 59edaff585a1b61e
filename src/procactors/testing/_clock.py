"""Virtual time for an asyncio loop: two weeks pass in milliseconds, deterministically.

While it is installed, the running loop's clock stands still unless `advance` moves it, or (with `auto`)
unless everything in the loop waits: then it jumps to the next timer, as trio's MockClock does. Work that has
left the loop for a thread (the store's, a step's) holds time until it is back. Steps come back from threads
when nothing else is to be done, in the order in which they began, so that it changes nothing how long a
thread takes. So a test neither sleeps nor waits, and `anyio.sleep(3600)` in a step takes no time.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from typing import TYPE_CHECKING, Any

from procactors._clock import Deadline, Instant
from procactors.testing._calls import Calls

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SHORTEST_S = 1e-8
"""A shorter pause takes so long: a loop takes it for none, and who waits for a moment would wait for ever."""
_START = 1_767_225_600.0
"""2026-01-01T00:00Z."""


class VirtualClock:
    """The clock of a manager under test, and of the loop that it runs in."""

    def __init__(self, start: float = _START, *, auto: bool = True) -> None:
        """Make a clock.

        Args:
            start: Wall time at the beginning, in seconds since 1970.
            auto: Jump to the next timer when everything waits; False: only `advance` moves time.
        """
        self._start = start
        self._auto = auto
        self._outside = 0
        self._calls = Calls()
        self._base = 0.0
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._installed: _Patch | None = None
        self._users = 0
        self._advancer: asyncio.Future[None] | None = None

    # The clock, as a manager sees it.

    def wall(self) -> Instant:
        """Return the virtual wall time."""
        return Instant(self._start + (self._now - self._base))

    def monotonic(self) -> Deadline:
        """Return the virtual time of the loop."""
        return Deadline(self._now)

    def lead_of(self, elsewhere: float, at: Deadline) -> float:  # noqa: ARG002 - it goes by no other time
        """Return how far the virtual wall time is ahead, whatever a database says."""
        return self._start - self._base

    def begin_outside(self, call: object = None) -> None:
        """Hold time: work has left the loop."""
        self._outside += 1
        if call is not None:
            self._calls.begin(call)

    def end_outside(self, call: object = None) -> None:
        """Let time go on: that work is back."""
        self._outside -= 1
        function = None if call is None else self._calls.forget(call)
        if function is not None:
            function()  # nobody waited for its turn

    def bring_back(
        self, call: object, loop: asyncio.AbstractEventLoop, function: Callable[[], object]
    ) -> None:
        """Have it called in its turn."""
        is_waited_for = self._installed is not None and self._calls.bring_back(call, function)
        loop.call_soon_threadsafe(_nothing if is_waited_for else function)

    # Moving it.

    async def advance(self, duration: float | str) -> None:
        """Let time pass, every timer on the way going off at its moment and being followed up.

        Args:
            duration: Seconds, or text such as "90s", "15m", "1h 30m", "14d", "2w".

        Raises:
            ValueError: The text is not a duration.
            RuntimeError: The clock is not installed, or is being advanced already.

        Cancellation: time stays where it is.
        """
        target = self._now + seconds_in(duration)
        await self.settle()
        while (due := self._next_timer()) is not None and due <= target:
            self._now = due
            await self.settle()
        self._now = target
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing more happens without time passing. Cancellation: safe."""
        if self._installed is None:
            raise RuntimeError("the clock is not installed: use it in a manager, or call install()")
        if self._advancer is not None:
            raise RuntimeError("the clock is being advanced already")
        self._advancer = asyncio.get_running_loop().create_future()
        try:
            await self._advancer
        finally:
            self._advancer = None

    # In the loop.

    def install(self) -> None:
        """Take over the running loop's time. May be called once for each user of the clock.

        Raises:
            RuntimeError: The loop is not one of asyncio's own (uvloop keeps its time to itself), or has a
                virtual clock already.
        """
        self._users += 1
        if self._installed is None:
            loop = asyncio.get_running_loop()
            elapsed, self._now = self._now - self._base, loop.time()
            self._base = self._now - elapsed
            self._installed = _Patch(loop, self)

    def uninstall(self) -> None:
        """Give the loop its time back, when the last user is gone."""
        self._users -= 1
        if not self._users and self._installed is not None:
            self._installed.undo()
            self._installed = None

    def note_timer(self, handle: asyncio.TimerHandle) -> None:
        """Learn of a timer of the loop."""
        self._count += 1
        heapq.heappush(self._timers, (handle.when(), self._count, handle))

    def _next_timer(self) -> float | None:
        while self._timers and (self._timers[0][2].cancelled() or self._timers[0][0] <= self._now):
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def note_idle(self) -> bool:
        """Hear that nothing in the loop is ready; True if there is something now."""
        if self._outside:
            return self._take_back()
        if self._advancer is not None:
            if not self._advancer.done():
                self._advancer.set_result(None)
            return True
        return self._auto and self._jump()

    def patience(self) -> float | None:
        """Return for how many seconds of real time to wait for what is outside; None: as long as it takes."""
        return self._calls.patience()

    def _take_back(self) -> bool:
        """Let the call come back whose turn it is; False if there is none."""
        function = self._calls.next_back()
        if function is not None:
            asyncio.get_running_loop().call_soon(function)
        return function is not None

    def _jump(self) -> bool:
        due = self._next_timer()
        if due is None:
            return False
        self._now = due
        return True


class _Patch:
    """What is changed in a loop, for as long as its time is virtual."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: VirtualClock) -> None:
        selector = getattr(loop, "_selector", None)
        if selector is None or getattr(loop.time, "__self__", loop) is not loop:
            raise RuntimeError("virtual time needs one of asyncio's own loops, without another virtual clock")
        self._loop = loop
        self._selector: Any = selector
        self._clock = clock
        self._call_at: Callable[..., asyncio.TimerHandle] = loop.call_at
        self._select: Callable[..., Any] = selector.select
        for owner, name, function in self._changes():
            setattr(owner, name, function)

    def _changes(self) -> list[tuple[Any, str, Callable[..., Any]]]:
        return [
            (self._loop, "time", self._clock.monotonic),
            (self._loop, "call_at", self._noting_call_at),
            (self._selector, "select", self._noting_select),
        ]

    def _noting_call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        now = self._clock.monotonic()
        if now < when < now + _SHORTEST_S:
            when = now + _SHORTEST_S
        handle = self._call_at(when, callback, *args, context=context)
        self._clock.note_timer(handle)
        return handle

    def _noting_select(self, timeout: float | None = None) -> Any:
        """Select without waiting for time: only files, threads and the clock itself wake the loop."""
        if timeout is not None and timeout <= 0:
            return self._select(0)
        ready = self._select(0)
        if ready or self._clock.note_idle():
            return ready
        return self._select(self._clock.patience())

    def undo(self) -> None:
        """Give loop and selector their own methods back."""
        for owner, name, _ in self._changes():
            delattr(owner, name)


def seconds_in(duration: float | str) -> float:
    """Return a duration in seconds; text is a sum of numbers with the units s, m, h, d, w.

    Raises:
        ValueError: It is not a duration.
    """
    if not isinstance(duration, str):
        return float(duration)
    parts = _DURATION.findall(duration)
    if not parts or _DURATION.sub("", duration).strip():
        raise ValueError(f"{duration!r} is not a duration: write 90s, 15m, 1h 30m, 14d or 2w")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _nothing() -> None:
    """Wake the loop."""
