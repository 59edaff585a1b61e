"""Whether the server has been told to stop: an open stream ends then, and never holds a shutdown back.

A server that stops waits for open responses before it tells the application anything, so nothing that ASGI
offers is early enough. uvicorn knows first; its server object is found among the tasks of this event loop.
Other servers cut off what is open after a grace of theirs.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary, ref

import anyio

_LOOK_EVERY_S = 0.1

_servers: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Any]] = WeakKeyDictionary()


async def until_stopping() -> None:
    """Return when the server that serves this event loop has been told to stop. Cancellation: safe."""
    server = _server_here()
    if server is None:
        await anyio.sleep_forever()
    while not server.should_exit:  # noqa: ASYNC110 - the server has nothing to wait for
        await anyio.sleep(_LOOK_EVERY_S)


def _server_here() -> Any:
    """Return the server of this event loop, None if it is not known."""
    loop = asyncio.get_running_loop()
    known = _servers.get(loop)
    server = None if known is None else known()
    if server is None or server.should_exit:
        server = next((found for task in asyncio.all_tasks() if (found := _server_in(task))), None)
        if server is not None:
            _servers[loop] = ref(server)
    return server


def _server_in(task: asyncio.Task[Any]) -> Any:
    """Return the server that a task runs: the one whose method is among those that await each other there."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None)
        owner = None if frame is None else frame.f_locals.get("self")
        if _is_server(owner):
            return owner
        waiting = getattr(waiting, "cr_await", None)
    return None


def _is_server(thing: Any) -> bool:
    return any(
        cls.__name__ == "Server" and cls.__module__.startswith("uvicorn.") for cls in type(thing).__mro__
    )
