"""What DeferredMiddleware costs a request: one that defers nothing, and one that defers.

Requests go through an in-process ASGI loop, without a server, into a bare application: one message for
the start of the response and one for its body. The cost is the difference to the same application without
the middleware, measured right beside it; each repetition is such a pair, and the figure their median.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import report
from report import Figure, figure

from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

REQUESTS = 20_000
SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"fine"}


async def plain(_scope: Any, _receive: Any, send: Any) -> None:
    """Respond."""
    await send(START)
    await send(BODY)


async def deferring(_scope: Any, _receive: Any, send: Any) -> None:
    """Defer a call to each stage, and respond."""
    defer(int)
    defer(int, stage=Stage.PRESEND)
    await send(START)
    await send(BODY)


async def receive() -> dict[str, Any]:
    """Say that the request has no body."""
    return {"type": "http.request"}


async def send(_message: Any) -> None:
    """Send nowhere."""


@asynccontextmanager
async def wrapped(app: Any) -> AsyncIterator[Any]:
    """Wrap an application, within its lifespan."""
    middleware = DeferredMiddleware(app)
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    up, down = anyio.Event(), anyio.Event()

    async def next_message() -> dict[str, Any]:
        message = next(messages)
        if message == "lifespan.shutdown":
            await down.wait()
        return {"type": message}

    async def heard(_message: Any) -> None:
        up.set()

    async with anyio.create_task_group() as group:
        group.start_soon(middleware, {"type": "lifespan"}, next_message, heard)
        await up.wait()
        yield middleware
        down.set()


async def serve(app: Any, requests: int) -> None:
    """Serve requests one after the other."""
    for _ in range(requests):
        await app(dict(SCOPE), receive, send)


async def us_per_request(app: Any, requests: int) -> float:
    """Return microseconds per request."""
    seconds, _ = await report.timed(serve(app, requests))
    return seconds / requests * 1e6


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure pairs: without the middleware, with it."""
    costs: dict[str, list[float]] = {"nothing": [], "two calls": []}
    without: list[float] = []
    async with wrapped(plain) as idle, wrapped(deferring) as busy:
        for _ in range(args.repeats):
            bare = await us_per_request(plain, args.requests)
            without.append(bare)
            costs["nothing"].append(await us_per_request(idle, args.requests) - bare)
            costs["two calls"].append(await us_per_request(busy, args.requests // 10) - bare)
    targets = {"nothing": "at most 3 us"}
    return [
        figure(
            f"a request that defers {what}, on top",
            "us",
            values,
            beside="the application alone",
            floor=without,
            target=targets.get(what, ""),
        )
        for what, values in costs.items()
    ]


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"requests": 20}, repeats=20, requests=REQUESTS)
