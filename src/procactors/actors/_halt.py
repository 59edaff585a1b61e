"""A rest between two lives of an actor, ordered by its supervisor."""

from __future__ import annotations

import anyio


class Halt:
    """The actor has to end its life, but not for good: its cell waits to live again."""

    __slots__ = ("_over", "_resting", "_to_live")

    def __init__(self) -> None:
        """Make one that has just been ordered."""
        self._resting = anyio.Event()
        self._over = anyio.Event()
        self._to_live = True

    async def rest(self) -> bool:
        """Rest until the halt is over; return whether to live again."""
        self._resting.set()
        await self._over.wait()
        return self._to_live

    async def is_resting(self) -> None:
        """Wait until the life before has ended."""
        await self._resting.wait()

    def end(self, *, to_live: bool) -> None:
        """End the rest, for another life or for good."""
        self._to_live = to_live
        self._resting.set()
        self._over.set()
