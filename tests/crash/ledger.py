"""Lines that survive a kill: what a program notes as it goes, each line one write into a pipe or a file."""

from __future__ import annotations

import os
import time

import anyio
import anyio.lowlevel


class Ledger:
    """Notes facts with the time; a kill after `note` can't take one back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def note(self, *words: object) -> None:
        line = " ".join(map(str, (f"{time.time():.6f}", *words)))  # noqa: TID251 - two OS processes compare it
        os.write(self._descriptor, f"{line}\n".encode())


class BoundedLedger(Ledger):
    """The same of a program that must not come to its end before it is killed, however late that is."""

    def __init__(self, descriptor: int, most: int) -> None:
        super().__init__(descriptor)
        self._left = most

    async def go_on(self) -> None:
        """Return `most` times, after a moment; from then on wait for ever."""
        self._left -= 1
        if self._left < 0:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
