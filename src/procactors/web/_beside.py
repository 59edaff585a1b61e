"""A web application served beside other work in this event loop. Signals are left to the program."""

from __future__ import annotations

from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import anyio
import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from procactors.web._asgi import App

_CLOSES_WITHIN_S = 1


@asynccontextmanager
async def served(app: App, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application while the block runs, and close what is open then within a second.

    Cancellation: ends the block; the server is closed as well.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=_CLOSES_WITHIN_S,
    )
    server = _Server(config)

    async def serve() -> None:
        with anyio.CancelScope(shield=True):
            await server.serve([listener])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        try:
            yield
        finally:
            server.should_exit = True


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return nullcontext()
