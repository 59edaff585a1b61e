"""Wakes whoever schedules a queue, from whatever thread there is something new in it."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

from anyio.from_thread import run_sync
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.deferred._queue import DeferredUpdates


class Wake:
    """Calls a plain function in the thread of the event loop in which it was made."""

    __slots__ = ("_function", "_thread", "_token")

    def __init__(self, function: Callable[[DeferredUpdates], None]) -> None:
        """Call `function(updates)`, which is called in the middle of work: it has to be quick."""
        self._function = function
        self._thread = get_ident()
        self._token = current_token()

    def __call__(self, updates: DeferredUpdates) -> None:
        """Call the function, in the loop's thread, and return when it is done."""
        if get_ident() == self._thread:
            self._function(updates)
        else:
            run_sync(self._function, updates, token=self._token)
