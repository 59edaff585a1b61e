"""Lets one task wait until it is woken: what hot paths wait with instead of an event.

An event of anyio's knows many waiters and either loop, which costs some thirty calls for a wait. One waiter
and one wake-up need a future on asyncio; anywhere else an event does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Generator


class Wakeup:
    """Awaited by one task, once; `wake` may come first, and may come again."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        """Make one in the running event loop."""
        self._future: asyncio.Future[None] | _Event
        try:
            self._future = asyncio.get_running_loop().create_future()
        except RuntimeError:
            self._future = _Event()

    def wake(self) -> None:
        """Let the task go on. Does nothing if it has been woken, or was cancelled."""
        if not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for `wake`. Cancellation: safe."""
        return self._future.__await__()


class _Event:
    """What Wakeup needs of a future, made of an anyio event."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, _nothing: None) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()
