"""Lines that survive a kill: what a program notes as it goes, each line one write into a pipe or a file."""

from __future__ import annotations

import os
import time


class Ledger:
    """Notes facts with the time; a kill after `note` can't take one back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def note(self, *words: object) -> None:
        line = " ".join(map(str, (f"{time.time():.6f}", *words)))  # noqa: TID251 - two OS processes compare it
        os.write(self._descriptor, f"{line}\n".encode())
