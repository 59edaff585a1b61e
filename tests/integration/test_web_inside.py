"""Pages and API of what is inside the manager: actors, deferred updates."""

from __future__ import annotations

import anyio
import httpx
import pytest

from procactors import Process, ProcessManager, Step
from procactors.deferred import DeferredScheduler, DeferredUpdates, Stage, defer
from procactors.web import DeferredMiddleware, allow_all, process_app
from tests.integration.served import served
from tests.integration.web_reading import is_own_page
from tests.integration.web_shop import LASTING, QUICK, client_of, shop, until


def break_quietly():
    raise ValueError("no <i>ink</i>")


async def defer_something(data):
    defer(break_quietly)
    defer(len, (), stage=Stage.PRESEND)
    return data


DEFERRING = Process("deferring", [defer_something, Step("rest", defer_something)])


@pytest.fixture
def anyio_backend():
    return "asyncio"


# Actors.


async def test_actors_are_shown_with_their_mailboxes():
    async with shop(allow_all) as (manager, client):
        lasting = await manager.start(LASTING)
        await until(manager, lasting.pid, "running")
        page = await client.get("/actors")
        assert is_own_page(page)
        for words in ("persistence", "PersistenceActor", f'href="/processes/{lasting.pid}"', "at most"):
            assert words in page.text
        assert f"Of the manager that serves this page, {manager.name}" in page.text
        rows = (await client.get("/api/actors")).json()
        assert {"supervisor", "persistence", f"process-{lasting.pid}"} <= {row["name"] for row in rows}
        (persistence,) = [row for row in rows if row["name"] == "persistence"]
        assert persistence["state"] == "running"
        assert persistence["handled"] > 0
        assert any(lane["peak"] for lane in persistence["lanes"])


async def test_a_client_says_that_it_has_none_that_run_anything(tmp_path):
    async with (
        ProcessManager(f"sqlite:///{tmp_path}/shop.db", run=False) as manager,
        client_of(process_app(manager, authorize=allow_all)) as client,
    ):
        for path in ("/actors", "/deferred"):
            page = await client.get(path)
            assert page.status_code == 200
            assert is_own_page(page)
            assert "is a client" in page.text
        assert (await client.get("/api/deferred")).json() == {"schedulers": [], "failures": []}
        names = {row["name"] for row in (await client.get("/api/actors")).json()}
        assert "persistence" in names
        assert "supervisor" not in names


# Deferred updates.


async def test_what_failed_in_processes_is_shown_by_its_origin():
    async with shop(allow_all) as (manager, client):
        empty = await client.get("/deferred")
        assert is_own_page(empty)
        assert "Nothing waits" in empty.text
        handles = [await manager.start(DEFERRING) for _ in range(2)]
        for handle in handles:
            await handle.result()
        found = (await client.get("/api/deferred")).json()
        assert {event["pid"] for event in found["failures"]} == {handle.pid for handle in handles}
        assert {event["error"]["type"] for event in found["failures"]} == {"ValueError"}
        (origin,) = {event["origin"] for event in found["failures"]}
        assert "in defer_something" in origin
        (own,) = found["schedulers"]
        assert (own["name"], own["ran"], own["failed"], own["pending"]) == ("deferred", 4, 4, {})
        assert own["failures"] == {origin: 4}
        page = await client.get("/deferred")
        assert is_own_page(page)
        assert page.text.count(origin) == 4
        assert "no &lt;i&gt;ink&lt;/i&gt;" in page.text
        assert f'href="/processes/{found["failures"][0]["pid"]}"' in page.text


async def test_what_waits_is_shown_by_its_origin():
    may_end = anyio.Event()
    async with shop(allow_all) as (manager, client):
        scheduler = DeferredScheduler(name="press", max_running=1)
        manager.show_scheduler(scheduler)
        assert [one.name for one in manager.schedulers()] == ["deferred"]
        async with scheduler:
            for function in (may_end.wait, break_quietly):
                updates = DeferredUpdates()
                updates.add_callable(function)
                scheduler.submit(updates)
            await anyio.wait_all_tasks_blocked()
            found = (await client.get("/api/deferred")).json()["schedulers"][1]
            assert (found["name"], found["running"], found["waiting"], found["scopes"]) == ("press", 1, 1, 2)
            ((origin, count),) = found["pending"].items()
            assert (count, "test_what_waits" in origin) == (1, True)
            page = await client.get("/deferred")
            assert is_own_page(page)
            assert '<th scope="row">press</th>' in page.text
            assert origin in page.text
            may_end.set()
        assert [one.name for one in manager.schedulers()] == ["deferred"]


async def test_the_middleware_shows_its_scheduler():
    async with ProcessManager("memory://") as manager:
        pages = process_app(manager, authorize=allow_all)

        async def deferring(scope, receive, send):
            if scope["type"] == "http":
                defer(break_quietly, stage=Stage.PRESEND)
                defer(len, ())
            await pages(scope, receive, send)

        app = DeferredMiddleware(deferring, manager=manager)
        async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert "around responses" in (await client.get("/deferred")).text
            while True:  # what runs after a response may still do when its reader has it
                steps, responses = (await client.get("/api/deferred")).json()["schedulers"]
                if responses["ran"]:
                    break
            assert (steps["name"], responses["name"]) == ("deferred", "responses")
            ((origin, count),) = responses["failures"].items()
            assert "in test_the_middleware" in origin
            assert count == responses["failed"] >= 1
        assert [one.name for one in manager.schedulers()] == ["deferred"]


async def test_failures_in_processes_that_may_not_be_read_are_not_shown():
    hidden = set()
    async with shop(lambda request, action, pid: pid not in hidden) as (manager, client):
        handles = [await manager.start(DEFERRING) for _ in range(2)]
        for handle in handles:
            await handle.result()
        hidden.add(handles[0].pid)
        for path in ("/deferred", "/api/deferred"):
            text = (await client.get(path)).text
            assert handles[0].pid not in text
            assert handles[1].pid in text


async def test_the_newest_failure_is_the_first():
    async with ProcessManager("memory://") as manager:
        await (await manager.start(DEFERRING)).result()
        await (await manager.start(QUICK)).result()
        assert [event.step for event in await manager.deferred_failures()] == ["rest", "defer_something"]
        assert [event.step for event in await manager.deferred_failures(1)] == ["rest"]
