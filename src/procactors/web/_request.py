"""The scope of one request: sees its response go out, and runs what was deferred at its moments.

PRESEND runs in the request's task, when the application starts its response and before the server hears
of it, shielded from a client that goes away. POSTSEND is the scheduler's from the last byte on. What
becomes of updates when there is no proper response is decided in `failed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from procactors.deferred import Stage
from procactors.web._http_errors import is_gone, is_http_error, respond
from procactors.web._scope import ConnectionScope

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from procactors.deferred import DeferredUpdates, Report
    from procactors.web._asgi import Message

_SERVER_ERROR = 500


class ResponseReplaced(Exception):  # noqa: N818 - not an error, but a way out of the application
    """Raised in the application, which wanted to respond: an HTTP exception of PRESEND is the response."""


class RequestScope(ConnectionScope):
    """What is around one request."""

    _is_started = False
    _has_trailers = False
    _is_replaced = False
    _is_gone = False

    # The response, message by message. What needs no waiting is no coroutine.

    def send(self, message: Message) -> Awaitable[None]:
        """Stand for the server's `send`."""
        if self._is_replaced:
            return _nothing()
        kind = message["type"]
        if kind == "http.response.start":
            if not self._is_started:
                self._is_started = True
                if "trailers" in message:
                    self._has_trailers = message["trailers"]
                if self.updates is not None:
                    return self._start(message, self.updates)
        elif self._is_last(kind, message):
            return self._finish(message)
        return self._send(message) if self.updates is None else self._watched(message)

    def _is_last(self, kind: str, message: Message) -> bool:
        if kind == "http.response.body" or kind == "http.response.zerocopysend":  # noqa: PLR1714 - half the time
            return not (message.get("more_body", False) or self._has_trailers)
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return kind == "http.response.pathsend"

    async def _start(self, message: Message, updates: DeferredUpdates) -> None:
        if message["status"] >= _SERVER_ERROR and self.breaks_down():
            self.drop("its request ended by a server error")
        else:
            error = await self._run_presend(updates)
            if error is not None:
                await respond(error, self._scope, self._receive, self.send)
                self._is_replaced = True
                raise ResponseReplaced
        await self._watched(message)

    async def _run_presend(self, updates: DeferredUpdates) -> Exception | None:
        """Run PRESEND and have durable updates kept; return the first error that the client is shown."""
        shown: Exception | None = None
        report: Report | None = None
        with anyio.CancelScope(shield=True):
            try:
                report = await updates.run(Stage.PRESEND)
            except Exception as error:
                if not is_http_error(error):
                    raise
                shown = error
            finally:
                if self._deferral.scheduler is not None:
                    self._deferral.scheduler.note(updates, report)
            await updates.persisted()
        return shown

    async def _watched(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self._is_gone = True
            raise

    async def _finish(self, message: Message) -> None:
        await (self._send(message) if self.updates is None else self._watched(message))
        self.hand_on()

    # The end of the application's call.

    def returned(self) -> None:
        """Note that the application has returned, if it has not sent its last byte."""
        if self._is_started:
            self.hand_on()
        else:
            self.drop("its request ended without a response")

    async def failed(self, error: BaseException) -> bool:
        """Note that the application has raised; return whether that is settled.

        Raises:
            Exception: The first HTTP exception of PRESEND, if `error` is one that somebody further out
                makes the response of.
        """
        if self._is_replaced and _is_way_out(error):
            return True
        if self.is_over or self.updates is None:
            return False
        if is_http_error(error) and not self._is_started:
            self._is_started = True
            shown = await self._run_presend(self.updates)
            self.hand_on()
            if shown is not None:
                raise shown from error
        elif self._is_started and (self._is_gone or not isinstance(error, Exception) or is_gone(error)):
            self.hand_on()
        else:
            self.drop(f"its request ended by {type(error).__name__}")
        return False


def _is_way_out(error: BaseException | None) -> bool:
    """Tell whether an error is `ResponseReplaced`, or what the application has made of it."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_way_out(one) for one in error.exceptions)
    while error is not None and not isinstance(error, ResponseReplaced):
        error = error.__cause__ or error.__context__
    return error is not None


async def _nothing() -> None:
    """Send nothing."""
