"""The lifespan around the application's own: before its start, and before it hears of its shutdown."""

import anyio
import pytest

from procactors.deferred import defer
from procactors.web import DeferredMiddleware
from tests.unit.web.samples import Server, responding


def with_lifespan(log, endpoint):
    serve = responding(endpoint)

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{phase}"
                log.append(phase)
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            await serve(scope, receive, send)

    return app


async def test_what_is_left_runs_before_the_application_hears_of_its_shutdown(log):
    async def update():
        await anyio.wait_all_tasks_blocked()
        log.append("post")

    async def endpoint():
        defer(update)

    async with Server(DeferredMiddleware(with_lifespan(log, endpoint))) as server:
        await server.get()
    assert log == ["startup", "post", "shutdown"]
    assert server.said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize("answer", ["raises", "returns"])
async def test_application_without_lifespan_gets_one(answer, log):
    serve = responding(lambda: deferring(log))

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await serve(scope, receive, send)
        elif answer == "raises":
            raise TypeError

    async with Server(DeferredMiddleware(app)) as server:
        await server.get()
    assert log == ["post"]
    assert server.said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def deferring(log):
    defer(log.append, "post")


async def test_failing_startup_is_the_applications_own():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
        raise ValueError("no database")

    said = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        said.append(message["type"])

    with pytest.raises(ValueError, match="no database"):
        await DeferredMiddleware(app)({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.failed"]
