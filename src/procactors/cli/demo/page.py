"""The demo's page: the web face of its own manager, for this host alone, while the demo runs."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from procactors.manager import ProcessManager

HOST, PORT = "127.0.0.1", 8765
_ALLOWED = frozenset({"read", "proceed", "cancel", "retry", "rewind", "pause"})
"""Everybody on this host may do this. Not fork or start: their data could name any folder."""


@asynccontextmanager
async def page(manager: ProcessManager, *, is_wanted: bool) -> AsyncIterator[str]:
    """Serve the page while the block runs; yield its address, or why there is none.

    Cancellation: ends the block, and closes the page.
    """
    if not is_wanted:
        yield "not wanted"
        return
    try:
        from procactors.web._alone import application  # noqa: PLC0415 - an extra
        from procactors.web._beside import served  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        yield "none without an extra: pip install 'procactors[web]'"
        return
    listener = _listener()
    if listener is None:
        yield "none, as this program may not listen"
        return
    with listener:
        async with served(application(manager, _authorize, [HOST, "localhost"]), listener):
            yield f"http://{HOST}:{listener.getsockname()[1]}/"


def _authorize(_request: Any, action: str, _pid: str | None) -> bool:
    return action in _ALLOWED


def _listener() -> socket.socket | None:
    """Return a socket that listens on the usual port, or on a free one if another program has that."""
    for port in (PORT, 0):
        with suppress(OSError):
            return socket.create_server((HOST, port))
    return None
