"""Server-sent events: a response that lasts, until its stream, its client or its server ends.

What is sent has an id by which a client that was cut off goes on without a gap or a repetition.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
from starlette.responses import Response

from procactors.errors import ProcactorsError
from procactors.web._stopping import until_stopping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from procactors.web._asgi import Receive, Scope, Send

KEEP_ALIVE_S = 15.0
RECONNECT_MS = 1000
MEDIA_TYPE = "text/event-stream"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # a proxy hands on what it gets at once
_log = logging.getLogger("procactors.web")


def message(kind: str, data: bytes, number: int | None) -> bytes:
    """Return an event as it goes over the wire; `data` is one line. Without a number it has no id."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + data + b"\n\n"


def opening(number: int | None) -> bytes:
    """Return what comes first: how soon to come back, and where the stream begins, which is no event."""
    place = "" if number is None else f"id: {number}\n"
    return f"retry: {RECONNECT_MS}\n{place}\n".encode()


class Streaming(Response):
    """The response: sends what an iterator of messages gives, and a comment if it gives nothing for long."""

    def __init__(
        self,
        first: bytes,
        messages: AsyncIterator[bytes | None],
        close: Callable[[], Awaitable[None]],
        on_pause: Callable[[], None],
    ) -> None:
        """Send `first`, then `messages` (None: nothing to send), then `close`; `on_pause` at each comment."""
        super().__init__(headers=_HEADERS, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._first = first
        self._messages = messages
        self._close = close
        self._on_pause = on_pause

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Respond. Cancellation: ends the stream."""
        is_gone = False

        async def leave() -> None:
            nonlocal is_gone
            while (await receive())["type"] != "http.disconnect":
                pass
            is_gone = True
            group.cancel_scope.cancel()

        async def stop() -> None:
            await until_stopping()
            group.cancel_scope.cancel()

        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as group:
                group.start_soon(leave)
                group.start_soon(stop)
                await self._pump(send)
                group.cancel_scope.cancel()
        finally:
            await self._close()
        if not is_gone:
            await send(_body(b"", more_body=False))

    async def _pump(self, send: Send) -> None:
        await send(_body(self._first))
        while True:
            with anyio.move_on_after(KEEP_ALIVE_S) as patience:
                try:
                    chunk = await anext(self._messages)
                except StopAsyncIteration:
                    return
                except ProcactorsError as error:
                    _log.warning("a stream of events ends: %s", error)
                    return
            if patience.cancelled_caught:
                self._on_pause()
                await send(_body(b": still here\n\n"))
            elif chunk is not None:
                await send(_body(chunk))


def _body(chunk: bytes, *, more_body: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": chunk, "more_body": more_body}
