"""The port on which a worker answers probes, and what strangers may send there."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import SocketAttribute

from procactors.cli.health_port import answer_probes, listen
from procactors.testing import manager


@pytest.fixture
async def port():
    listener = await listen(0)
    async with anyio.create_task_group() as group:
        group.start_soon(answer_probes, manager(), listener)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


async def answer(port, sent):
    """Send something, and return all that comes until the end."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        received = b""
        try:
            await stream.send(sent)
            async for chunk in stream:
                received += chunk
        except anyio.BrokenResourceError:
            pass  # it was too much to be read
        return received


async def test_a_probe_is_answered_and_the_connection_closed(port):
    said = await answer(port, b"GET /live?verbose=1 HTTP/1.1\r\nHost: pod\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b'"is_live":true' in body
    assert (await answer(port, b"GET /ready HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
    assert (await answer(port, b"HEAD /live HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"DELETE /live HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n", b"404"),
    ],
)
async def test_what_is_no_probe_is_refused(port, sent, status):
    assert (await answer(port, sent)).split()[1] == status


@pytest.mark.parametrize("sent", [b"\xff\xfe\r\n\r\n", b"x" * 100_000])
async def test_what_is_no_http_is_cut_off_and_the_next_one_answered(port, sent):
    assert await answer(port, sent) == b""
    async with await anyio.connect_tcp("127.0.0.1", port):
        pass  # and says nothing
    assert (await answer(port, b"GET /live HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
