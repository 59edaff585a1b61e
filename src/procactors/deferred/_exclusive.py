"""Lets one task at a time run a queue; the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

if TYPE_CHECKING:
    from types import TracebackType


class Exclusive(msgspec.Struct):
    """A lock whose holder may be asked for, and which costs nothing while nobody waits."""

    is_held: bool = False
    _released: anyio.Event | None = None

    async def __aenter__(self) -> None:
        """Wait until nobody holds it, and hold it. Cancellation: it is not held."""
        while self.is_held:
            if self._released is None:
                self._released = anyio.Event()
            await self._released.wait()
        self.is_held = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one hold it."""
        self.is_held = False
        if self._released is not None:
            self._released.set()
            self._released = None
