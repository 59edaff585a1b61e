"""The scope of one connection, a request's or a websocket's: its queue, and the ways in which it ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.deferred import DeferredScheduler, DeferredUpdates, LazyScope
from procactors.errors import NoDeferredScopeError
from procactors.web._http_errors import is_gone, is_http_error, is_said_to_websocket

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from procactors.web._asgi import Message, Receive, Scope, Send


class Deferral(msgspec.Struct, eq=False):
    """What the connections of one middleware have in common.

    Attributes:
        manager: Who takes processes and keeps durable updates; None: nobody.
        scheduler: Who runs POSTSEND; None outside of the lifespan.
    """

    manager: Any
    scheduler: DeferredScheduler | None = None


class ConnectionScope(LazyScope):
    """What is around one connection.

    Attributes:
        has_failed: True if the framework has told that an exception ends it.
    """

    has_failed = False

    def __init__(self, deferral: Deferral, scope: Scope, receive: Receive, send: Send) -> None:
        """Be around the connection of `scope`; `receive` and `send` are the server's."""
        self._deferral = deferral
        self._scope = scope
        self._receive = receive
        self._send = send
        self._exception_before = sys.exception()

    def make(self) -> DeferredUpdates:
        """Make the queue."""
        return DeferredUpdates(manager=self._deferral.manager, presentable=is_http_error)

    def late(self, updates: DeferredUpdates) -> None:
        """Have the scheduler run what is deferred after the end, as it comes.

        Raises:
            NoDeferredScopeError: The application has shut down.
        """
        self._require_scheduler().follow(updates)

    def hand_on(self) -> None:
        """Leave what waits, and what is still to come, to the scheduler."""
        updates = self.end()
        if updates is None:
            return
        try:
            scheduler = self._require_scheduler()
            scheduler.follow(updates)
            if updates.pending_count():
                scheduler.submit(updates)
        except NoDeferredScopeError:
            updates.close()
            updates.discard("the application had shut down before it had run", even_always=True)

    def drop(self, reason: str) -> None:
        """Drop what waits, but for what is always to be run; log it by its origin."""
        if self.updates is not None:
            self.updates.discard(reason)
        self.hand_on()

    def breaks_down(self) -> bool:
        """Tell whether what is sent now is what an exception is turned into that nobody has foreseen.

        Frameworks send that while they handle the exception, or (Quart, Django) have told of it before.
        """
        handled = sys.exception()
        if handled is None or handled is self._exception_before:
            return self.has_failed
        return not (is_http_error(handled) or is_said_to_websocket(handled))

    def _require_scheduler(self) -> DeferredScheduler:
        if self._deferral.scheduler is None:
            problem = "the application has shut down; nobody would run deferred updates"
            raise NoDeferredScopeError(problem)
        return self._deferral.scheduler


class WebsocketScope(ConnectionScope):
    """What is around one websocket: everything that is deferred runs when it has closed."""

    def send(self, message: Message) -> Awaitable[None]:
        """Stand for the server's `send`."""
        return self._close(message) if message["type"] == "websocket.close" else self._send(message)

    async def _close(self, message: Message) -> None:
        if self.breaks_down():
            self.drop("its websocket was closed by an error")
        await self._send(message)
        self.hand_on()

    def failed(self, error: BaseException) -> None:
        """Note that the application has raised."""
        if self.is_over or is_gone(error) or not isinstance(error, Exception):
            self.hand_on()
        else:
            self.drop(f"its websocket ended by {type(error).__name__}")
