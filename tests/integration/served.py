"""A real uvicorn on a loopback port, in the test's own event loop."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager

import anyio
import uvicorn


class Started(uvicorn.Server):
    """Says when it has started, and leaves signals to the test runner."""

    def __init__(self, config):
        super().__init__(config)
        self.is_up = anyio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.is_up.set()

    def install_signal_handlers(self):
        """Install none."""


@asynccontextmanager
async def served(app, **options):
    """Serve `app`; yield the port; at the end shut down as on SIGTERM."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Started(uvicorn.Config(app, log_level="critical", access_log=False, **options))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        await server.is_up.wait()
        yield listener.getsockname()[1]
        server.should_exit = True
    await (
        anyio.wait_all_tasks_blocked()
    )  # uvicorn does not wait for the very end of its task for the lifespan


async def get_and_leave(port, path="/"):
    """Send a request, and close the socket as soon as the response is there."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive()
    return head
