"""The network between a manager and its database swallows everything, and nobody is told."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute

from procactors import ManagerOptions, Process, ProcessManager, step
from procactors.stores import _on_postgres

PATIENCE_S = 60


@step
async def nothing(data):
    return data


PROCESS = Process("p", {"a": nothing, "b": nothing})


class Network:
    """Hands on what goes between TCP connections and a server on a Unix socket."""

    def __init__(self, server):
        self._path = str(server.folder / ".s.PGSQL.5432")
        self._cables = []

    def swallow(self):
        """Hand nothing more on of the connections that there are; new ones work."""
        for cable in self._cables:
            cable.cancel()
        self._cables = []

    async def connect(self, near):
        async with near, await anyio.connect_unix(self._path) as far:
            with anyio.CancelScope() as cable:
                self._cables.append(cable)
                async with anyio.create_task_group() as group:
                    group.start_soon(hand_on, near, far, cable)
                    group.start_soon(hand_on, far, near, cable)
                return
            await anyio.sleep_forever()


async def hand_on(source, target, cable):
    try:
        async for chunk in source:
            await target.send(chunk)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    if not cable.cancel_called:
        await target.aclose()


@asynccontextmanager
async def network(server):
    net = Network(server)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, net.connect)
            yield net, f"postgresql://postgres@127.0.0.1:{port}/postgres?schema=network"
            group.cancel_scope.cancel()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_on_postgres, "_COMMAND_S", 0.5)


async def test_a_manager_connects_anew_when_the_network_has_swallowed_its_connections(postgres, impatient):
    options = ManagerOptions(lease_s=1, store_patience_s=PATIENCE_S)
    async with network(postgres) as (net, url), ProcessManager(url, options=options) as manager:
        with anyio.fail_after(PATIENCE_S):
            assert await (await manager.start(PROCESS, {"n": 0}, key="0")).result() == {"n": 0}
            for n in range(1, 4):
                net.swallow()
                assert await (await manager.start(PROCESS, {"n": n}, key=str(n))).result() == {"n": n}
            while not manager.health().is_ready:  # noqa: ASYNC110 - a thread renews the lease
                await anyio.sleep(0.05)
        assert len(await manager.list()) == 4


async def test_the_kernel_is_asked_to_notice_a_network_that_acknowledges_nothing(postgres):
    async with network(postgres) as (_, url), ProcessManager(url) as manager:
        connection = manager._room.store._writer._connection
        wire = connection._transport.get_extra_info("socket")
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
