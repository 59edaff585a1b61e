"""Time: the event loop's own clock for durations, one injected wall clock for instants.

Deadlines and sleeps inside the library go by the event loop's clock (`anyio.current_time`), which a
test can replace by a virtual one; nothing else may ask the operating system for the time. The two
kinds of number are never mixed: an `Instant` is seconds since 1970 (UTC), a `Deadline` is a reading of
the loop's clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NewType, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

Instant = NewType("Instant", float)
"""A moment in wall time: seconds since 1970-01-01T00:00Z."""

Deadline = NewType("Deadline", float)
"""A moment on the monotonic clock of the running event loop, in seconds."""


class Clock(Protocol):
    """Where a manager or an actor system takes its time from."""

    def wall(self) -> Instant:
        """Return the wall time now. May be called from any thread."""
        ...

    def monotonic(self) -> Deadline:
        """Return the event loop's time now. May be called from any thread."""
        ...

    def lead_of(self, elsewhere: float, at: Deadline) -> float:
        """Return how far a database's clock, which read `elsewhere` at `at`, is ahead of `monotonic()`."""
        ...

    def begin_outside(self, call: object = None) -> None:
        """Note that work has left the loop for a thread or an OS process: time has to wait for it.

        `call` identifies it if it comes back by `bring_back`.
        """
        ...

    def end_outside(self, call: object = None) -> None:
        """Note that such work is back in the loop, or that nobody waits for it any more."""
        ...

    def bring_back(
        self, call: object, loop: asyncio.AbstractEventLoop, function: Callable[[], object]
    ) -> None:
        """Have `function` called in the loop, which brings a call back to it. For use in the call's thread.

        Raises:
            RuntimeError: The loop is closed.
        """
        ...


class SystemClock:
    """The operating system's clocks, as asyncio and trio use them."""

    def wall(self) -> Instant:
        """Return the system's wall time."""
        return time.time()  # type: ignore[return-value]  # noqa: TID251 - this is the clock

    def monotonic(self) -> Deadline:
        """Return the system's monotonic time, which asyncio's loops (uvloop too) and trio's count in."""
        # A call of Deadline would take longer than the clock does, for each message of each actor.
        return time.monotonic()  # type: ignore[return-value]

    def lead_of(self, elsewhere: float, at: Deadline) -> float:
        """Return the difference."""
        return elsewhere - at

    def begin_outside(self, call: object = None) -> None:
        """Do nothing: real time waits for nobody."""

    def end_outside(self, call: object = None) -> None:
        """Do nothing: real time waits for nobody."""

    def bring_back(
        self,
        call: object,  # noqa: ARG002 - all are the same to real time
        loop: asyncio.AbstractEventLoop,
        function: Callable[[], object],
    ) -> None:
        """Have it called as soon as possible."""
        loop.call_soon_threadsafe(function)


def to_datetime(instant: float) -> datetime:
    """Return the instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(instant, UTC)


SLACK_S = 0.001
"""A moment counts as past this much early: timers, clocks and stored times round differently."""


def is_past(moment: float | None, now: float) -> bool:
    """Tell whether a moment (of the same clock as `now`) has come; None never does."""
    return moment is not None and moment <= now + SLACK_S
