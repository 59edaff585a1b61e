"""A port on which a worker answers probes: HTTP/1.1, as much of it as a probe speaks."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from procactors.cli.console import note
from procactors.cli.failure import BadInputError
from procactors.web._health import answer_to

if TYPE_CHECKING:
    from anyio.abc import Listener, SocketStream

    from procactors.manager import ProcessManager

_PATIENCE_S = 5
_MOST_BYTES = 16_384
_GOES_WRONG = (
    OSError,
    UnicodeError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.DelimiterNotFound,
    anyio.EndOfStream,
    anyio.IncompleteRead,
)


async def listen(port: int) -> Listener[SocketStream]:
    """Take a port (0: a free one), on all addresses: a probe may come from outside the container.

    Cancellation: safe.

    Raises:
        BadInputError: It can't be had.
    """
    try:
        listener = await anyio.create_tcp_listener(local_port=port)
    except OSError as error:
        raise BadInputError(f"can't listen on port {port}: {error.strerror or error}") from None
    taken = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    note(f"answers GET /live and GET /ready on port {taken}")
    return listener


async def answer_probes(manager: ProcessManager, listener: Listener[SocketStream]) -> None:
    """Answer whoever asks `GET /live` or `GET /ready`, without end. Cancellation: safe."""

    async def answer(stream: SocketStream) -> None:
        with suppress(*_GOES_WRONG), anyio.move_on_after(_PATIENCE_S):
            async with stream:
                await stream.send(_response(manager, await _request(stream)))

    async with listener:
        await listener.serve(answer)


async def _request(stream: SocketStream) -> list[str]:
    head = await BufferedByteReceiveStream(stream).receive_until(b"\r\n\r\n", _MOST_BYTES)
    return head.partition(b"\r\n")[0].decode("ascii").split()


def _response(manager: ProcessManager, request: list[str]) -> bytes:
    method, path = request[:2] if len(request) == 3 else ("", "")
    status, body = answer_to(manager, method, path.partition("?")[0]) if method else (400, b"")
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)
