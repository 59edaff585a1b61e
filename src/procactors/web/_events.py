"""The streams of events: of one process until it ends, and of all that the client may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from procactors._ids import checked_pid
from procactors.model.event import StepProgressed
from procactors.model.event_body import document
from procactors.web._sse import Streaming, message, opening

if TYPE_CHECKING:
    from starlette.requests import Request

    from procactors.engine.subscription import EventStream
    from procactors.manager import ProcessManager
    from procactors.model.event import ProcessEvent
    from procactors.web._access import Access
    from procactors.web._asgi import App
    from procactors.web._redaction import Redaction

_DIGITS_MAX = 18


class Events:
    """The endpoints."""

    def __init__(self, manager: ProcessManager, access: Access, redaction: Redaction) -> None:
        """Serve the events of a manager's store."""
        self._manager = manager
        self._access = access
        self._redaction = redaction

    async def of_one(self, request: Request) -> App:
        """Stream the events of a process; 204 if it has ended and they have all been seen."""
        pid = checked_pid(request.path_params["pid"])
        await self._access.require(request, "read", pid)
        after = last_seen(request)
        info = await self._manager.info(pid)
        if info.status.is_ended and after is not None and after >= info.seq:
            return Response(status_code=204)
        return await self._respond(request, pid, after)

    async def of_all(self, request: Request) -> App:
        """Stream the events of all processes that may be read, from now on or after a position."""
        return await self._respond(request, None, last_seen(request))

    async def _respond(self, request: Request, pid: str | None, after: int | None) -> App:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        stream = self._manager.subscribe(pid, after=after)
        await stream.__aenter__()  # the response closes it
        messages = _Messages(stream, self._access, self._redaction, request, pid)
        return Streaming(
            opening(stream.last if pid is None else None), messages, stream.aclose, messages.ask_again
        )


class _Messages:
    """The messages of a stream: what the client may read, redacted."""

    def __init__(
        self, stream: EventStream, access: Access, redaction: Redaction, request: Request, pid: str | None
    ) -> None:
        self._stream = stream
        self._access = access
        self._redaction = redaction
        self._request = request
        self._is_of_one = pid is not None
        self._may_read: dict[str, bool] = {}
        self._pending: ProcessEvent | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | None:
        """Return the next message; None for an event that is not for this client."""
        event = self._pending
        if event is None:
            event = self._pending = await anext(self._stream)
        may_see = self._is_of_one or await self._may_see(event.pid)
        self._pending = None
        if not may_see:
            return None
        return message(type(event).__name__, self._json(event), self._number(event))

    def ask_again(self) -> None:
        """Forget who may read what: it may have changed."""
        self._may_read.clear()

    async def _may_see(self, pid: str) -> bool:
        if pid not in self._may_read:
            if len(self._may_read) >= 10_000:
                self._may_read.clear()
            self._may_read[pid] = await self._ask(pid)
        return self._may_read[pid]

    async def _ask(self, pid: str) -> bool:
        try:
            return await self._access.may(self._request, "read", pid)
        except HTTPException:  # the response has begun: all that is left to say is nothing
            return False

    def _number(self, event: ProcessEvent) -> int | None:
        if isinstance(event, StepProgressed):
            return None
        return event.seq if self._is_of_one else event.position

    def _json(self, event: ProcessEvent) -> bytes:
        return msgspec.json.encode(self._redaction.document(document(event)))


def last_seen(request: Request) -> int | None:
    """Return the number of the event that a client has seen last; None if it has seen none.

    Raises:
        HTTPException: It is no number (400).
    """
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise HTTPException(
            400, f"Last-Event-ID must be a number that an event had as its id, not {text[:40]!r}"
        )
    return int(text)
