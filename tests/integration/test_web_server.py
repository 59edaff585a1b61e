"""The middleware under a real server: clients that leave, connections that stay, shutdown."""

from __future__ import annotations

import anyio
import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware
from tests.integration.served import get_and_leave, served

REQUESTS = 200
WORK_S = 0.2
AT_ONCE = 50

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def passing(request, call_next):
    return await call_next(request)


def counting(done):
    async def work(number):
        await anyio.sleep(WORK_S)
        done.append(number)

    app = FastAPI()
    app.add_middleware(DeferredMiddleware)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)

    @app.get("/deferred/{number}")
    async def deferred(number: int):
        defer(work, number)

    @app.get("/background/{number}")
    async def background(number: int, tasks: BackgroundTasks):
        tasks.add_task(work, number)

    return app


async def ask_all(port, kind):
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def ask(number):
        async with limit:
            assert b"200 OK" in await get_and_leave(port, f"/{kind}/{number}")

    async with anyio.create_task_group() as group:
        for number in range(REQUESTS):
            group.start_soon(ask, number)


@pytest.mark.slow
async def test_work_of_requests_whose_clients_leave_is_all_done():
    done = []
    async with served(counting(done)) as port:
        await ask_all(port, "deferred")
    assert sorted(done) == list(range(REQUESTS))


@pytest.mark.slow
async def test_background_tasks_are_all_done_too_as_the_documentation_says():
    done = []
    async with served(counting(done)) as port:
        await ask_all(port, "background")
    assert sorted(done) == list(range(REQUESTS))


async def test_kept_connection_gets_its_second_response_while_the_first_requests_work_goes_on():
    may_end = anyio.Event()
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)

    @app.get("/")
    async def endpoint():
        defer(may_end.wait)
        return "fine"

    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        first = await client.get("/")
        second = await client.get("/")
        may_end.set()
    assert (first.json(), second.json()) == ("fine", "fine")
    assert first.extensions["network_stream"] is second.extensions["network_stream"]


async def test_head_has_its_updates_run_and_no_body():
    log = []
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)

    @app.head("/")
    async def endpoint():
        defer(log.append, "pre", stage=Stage.PRESEND)
        defer(log.append, "post")
        return "a body"

    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        response = await client.head("/")
    assert (response.status_code, response.content) == (200, b"")
    assert log == ["pre", "post"]


async def test_server_error_reaches_the_client_as_such_and_drops_updates():
    log = []
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)

    @app.get("/")
    async def endpoint():
        defer(log.append, "post")
        raise ValueError

    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert log == []


async def test_server_without_lifespan_answers_with_an_error(caplog):
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)
    async with (
        served(app, lifespan="off") as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        response = await client.get("/")
    assert response.status_code == 500


async def test_shutdown_waits_for_postsend_up_to_the_deadline(caplog):
    done = []

    async def quick():
        await anyio.sleep(0.1)
        done.append("quick")

    async def endless():
        await anyio.sleep_forever()

    app = FastAPI()
    app.add_middleware(DeferredMiddleware, drain_s=2)

    @app.get("/{which}")
    async def endpoint(which: str):
        defer({"quick": quick, "endless": endless}[which])

    with anyio.fail_after(60):
        async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await client.get("/quick")
            await client.get("/endless")
    assert done == ["quick"]
    assert "endless (deferred by" in caplog.text
    assert "endpoint" in caplog.text
