"""Lets one task wait until it is woken: what hot paths wait with instead of an event.

anyio's event serves many waiters on either loop, and a wait for it takes some thirty calls. One waiter and
one wake-up need only a future on asyncio; on other loops this is an event after all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Generator


class _Event:
    """What is used of a future, made of an anyio event."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, _nothing: None) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


Wakeup = asyncio.Future[None] | _Event
"""Awaited by one task, once. Cancellation: safe."""


def new_wakeup() -> Wakeup:
    """Return one for the running event loop."""
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        return _Event()


def wake(wakeup: Wakeup) -> None:
    """Let the task go on, or not wait at all. Does nothing if it was woken before, or has been cancelled."""
    if not wakeup.done():
        wakeup.set_result(None)
