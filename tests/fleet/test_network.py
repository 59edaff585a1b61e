"""The network between a manager and its database: the kernel is to notice when it swallows what is sent."""

from __future__ import annotations

import socket

import anyio
from anyio.abc import SocketAttribute

from procactors import ProcessManager


async def hand_on(source, target):
    try:
        async for chunk in source:
            await target.send(chunk)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    await target.aclose()


async def test_a_connection_that_acknowledges_nothing_is_given_up_by_the_kernel(postgres):
    """Whether it does so takes half a minute; that it was asked to shows at once."""

    async def connect(near):
        far = await anyio.connect_unix(postgres.folder / ".s.PGSQL.5432")
        async with near, far, anyio.create_task_group() as group:
            group.start_soon(hand_on, near, far)
            group.start_soon(hand_on, far, near)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, connect)
            async with ProcessManager(f"postgresql://postgres@127.0.0.1:{port}/postgres?schema=network") as m:
                for session in (m._room.store._writer, m._room.store._reader):
                    wire = session._connection._transport.get_extra_info("socket")
                    assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                    assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
                    assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
            group.cancel_scope.cancel()
