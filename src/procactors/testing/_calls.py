"""Calls that are out in threads: they come back in the order in which they left, however long each takes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 2.0
"""Real seconds to wait for the call whose turn it is when others are back: it may wait for one of them."""


class Calls:
    """Those of one loop."""

    def __init__(self) -> None:
        """Begin without any."""
        self._out: dict[object, Callable[[], Any] | None] = {}
        self._lock = threading.Lock()
        self._until: float | None = None

    def begin(self, call: object) -> None:
        """Note that a call leaves."""
        with self._lock:
            self._out[call] = None

    def forget(self, call: object) -> Callable[[], Any] | None:
        """Wait for a call no more; return what is still to be called if it is back already."""
        with self._lock:
            return self._out.pop(call, None)

    def bring_back(self, call: object, function: Callable[[], Any]) -> bool:
        """Keep what is to be called now that a call is back; False if nobody waits for it. In any thread."""
        with self._lock:
            if call not in self._out:
                return False
            self._out[call] = function
            return True

    def next_back(self) -> Callable[[], Any] | None:
        """Return what is to be called next; None: nothing yet. For when nothing else is to be done."""
        with self._lock:
            back = next((call for call, function in self._out.items() if function is not None), None)
            is_first = back is not None and back is next(iter(self._out))
            if back is not None and not is_first and not self._is_out_of_patience():
                return None
            self._until = None
            return None if back is None else self._out.pop(back)

    def _is_out_of_patience(self) -> bool:
        now = time.monotonic()
        if self._until is None:
            self._until = now + _PATIENCE_S
        return now >= self._until

    def patience(self) -> float | None:
        """Return in how many seconds it is worth to look again; None: only when another one is back."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())
