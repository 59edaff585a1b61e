"""The lifespan of an application, with a scheduler of deferred updates in it.

The scheduler is there before the application starts, and has run what was left, or parted with it, before
the application hears of its shutdown: its databases and its manager are still open then. An application
that knows no lifespan gets one for the scheduler's sake.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procactors.deferred import DeferredScheduler
    from procactors.web._asgi import App, Message, Receive, Scope, Send

_log = logging.getLogger("procactors.deferred")


class Lifespan:
    """One run of an application, from start to shutdown."""

    __slots__ = ("_has_begun", "_receive", "_scheduler", "_send")

    def __init__(self, scheduler: DeferredScheduler, receive: Receive, send: Send) -> None:
        """Close `scheduler`, which is open, at the shutdown."""
        self._scheduler = scheduler
        self._receive = receive
        self._send = send
        self._has_begun = False

    async def serve(self, app: App, scope: Scope) -> None:
        """Take part in the lifespan of `app`.

        Cancellation: the scheduler's owner closes it.
        """
        try:
            await app(scope, self._next, self._send)
        except Exception:
            if self._has_begun:
                raise
            _log.info("the application knows no lifespan; deferred updates have one of their own")
        if not self._has_begun:
            await self._stand_in()

    async def _next(self) -> Message:
        """Stand for the server's `receive`."""
        self._has_begun = True
        message = await self._receive()
        if message["type"] == "lifespan.shutdown":
            await self._scheduler.close()
        return message

    async def _stand_in(self) -> None:
        while True:
            message = await self._next()
            await self._send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
