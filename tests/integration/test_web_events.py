"""Events over HTTP: ids and resuming, who sees what, and a server that is told to stop."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from procactors import ProcessManager
from procactors.model.event import StepProgressed
from procactors.web import _sse, allow_all, process_app
from tests.integration.served import served
from tests.integration.test_web_api import is_problem
from tests.integration.web_shop import ALL, ASKING, HASTY, LASTING, QUICK, UNKNOWN_PID, shop, until

PATIENCE_S = 100


class Seen:
    """One message of a stream."""

    def __init__(self, fields):
        self.id = fields.get("id")
        self.kind = fields["event"]
        self.data = json.loads(fields["data"])


def seen_in(text):
    """Return the messages in a part of a stream, as a browser reads them."""
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":")
        for block in text.split("\n\n")
    ]
    return [Seen(block) for block in blocks if "data" in block]


async def messages_of(response):
    block = {}
    async for line in response.aiter_lines():
        if line and line[0] != ":":
            name, _, value = line.partition(": ")
            block[name] = value
        elif not line:
            if "data" in block:
                yield Seen(block)
            block = {}


@asynccontextmanager
async def serving(authorize=allow_all, **options):
    """Yield a manager in memory and a client of its web face, a real server between."""
    async with ProcessManager("memory://", options=HASTY) as manager:
        app = process_app(manager, authorize=authorize, processes=ALL, **options)
        limits = httpx.Limits(max_connections=None)
        with anyio.fail_after(PATIENCE_S):
            async with (
                served(app, lifespan="off") as port,
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, limits=limits
                ) as client,
            ):
                yield manager, client


# One process.


async def test_a_stream_is_the_whole_history_and_ends_with_the_process():
    async with shop(allow_all) as (manager, client):
        handle = await manager.start(QUICK, {"a": 1})
        response = await client.get(f"/api/processes/{handle.pid}/events")
        async with manager.subscribe(handle.pid) as events:
            history = [event async for event in events]
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    seen = seen_in(response.text)
    assert [one.kind for one in seen] == [type(event).__name__ for event in history]
    assert [one.id for one in seen] == [str(event.seq) for event in history]
    assert seen[-1].kind == "ProcessFinished"
    assert seen[-1].data["output"] == {"a": 1, "count": 2}
    assert {one.data["pid"] for one in seen} == {handle.pid}
    for one, event in zip(seen, history, strict=True):  # all fields, those too that are as they mostly are
        assert set(one.data) == {"type", *event.__struct_fields__}


async def test_reconnecting_goes_on_and_after_the_end_there_is_nothing():
    async with shop(allow_all) as (manager, client):
        handle = await manager.start(QUICK)
        await handle.result()
        path = f"/api/processes/{handle.pid}/events"
        whole = [one.id for one in seen_in((await client.get(path)).text)]
        for number, last in enumerate(whole, 1):
            response = await client.get(path, headers={"last-event-id": last})
            if last == whole[-1]:
                assert (response.status_code, response.content) == (204, b"")
            else:
                assert [one.id for one in seen_in(response.text)] == whole[number:]
        assert [one.id for one in seen_in((await client.get(f"{path}?after=2")).text)] == whole[2:]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
async def test_a_last_event_that_is_no_number_is_refused(last):
    async with shop(allow_all) as (manager, client):
        handle = await manager.start(QUICK)
        for path in (f"/api/processes/{handle.pid}/events", "/api/events"):
            assert is_problem(await client.get(path, headers={"last-event-id": last}), 400, "Last-Event-ID")


async def test_streams_of_unknown_and_hidden_processes_answer_404():
    async with shop(lambda request, action, pid: False) as (manager, client):
        hidden = (await manager.start(QUICK)).pid
        for pid in (hidden, UNKNOWN_PID, "nonsense"):
            assert is_problem(await client.get(f"/api/processes/{pid}/events"), 404)


async def test_head_does_not_wait():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(LASTING)).pid
        response = await client.head(f"/api/processes/{pid}/events")
        assert response.headers["content-type"].startswith("text/event-stream")


async def test_progress_has_no_id():
    async with serving() as (manager, client):
        pid = (await manager.start(LASTING)).pid
        async with client.stream("GET", f"/api/processes/{pid}/events") as response:
            async for one in messages_of(response):
                if one.kind == StepProgressed.__name__:
                    break
                assert one.id
        assert one.id is None
        assert (one.data["done"], one.data["total"], one.data["text"]) == (1, 2, "turns")


async def test_a_client_that_is_cut_off_ten_times_gets_every_event_once():
    async with serving() as (manager, client):
        pid = (await manager.start(ASKING)).pid
        seen, headers = [], {}
        for turn in range(10):
            await until(manager, pid, "interrupted")
            async with client.stream("GET", f"/api/processes/{pid}/events", headers=headers) as response:
                async for one in messages_of(response):
                    seen.append(int(one.id))
                    headers = {"last-event-id": one.id}
                    if one.kind == "ProcessInterrupted":
                        break
            if turn < 9:
                await manager.rewind(pid, "ask")
                await next_interrupt(manager, pid, seen[-1])
        await manager.proceed(pid, {"approved": True})
        response = await client.get(f"/api/processes/{pid}/events", headers=headers)
        seen += [int(one.id) for one in seen_in(response.text)]
        assert seen == list(range(1, (await manager.info(pid)).seq + 1))


async def next_interrupt(manager, pid, seq):
    async with manager.subscribe(pid, after=seq) as events:
        async for event in events:
            if type(event).__name__ == "ProcessInterrupted":
                return


async def test_a_quiet_stream_says_that_it_is_there(monkeypatch):
    monkeypatch.setattr(_sse, "KEEP_ALIVE_S", 0.05)
    async with serving() as (_, client), client.stream("GET", "/api/events") as response:
        async for line in response.aiter_lines():
            if line.startswith(":"):
                break
        assert line.startswith(":")


# All processes.


async def test_the_stream_of_all_begins_now_and_goes_on_from_where_it_was_cut():
    async with serving() as (manager, client):
        await (await manager.start(QUICK)).result()
        first = None
        async with client.stream("GET", "/api/events") as response:
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    first = line[4:]
                    break
        second = await manager.start(QUICK)
        await second.result()
        async with manager.subscribe(second.pid) as events:
            history = [event async for event in events]
        async with client.stream("GET", "/api/events", headers={"last-event-id": first}) as response:
            found = []
            async for one in messages_of(response):
                found.append(one)
                if one.kind == "ProcessFinished":
                    break
        assert [one.id for one in found] == [str(event.position) for event in history]
        assert {one.data["pid"] for one in found} == {second.pid}


async def test_the_stream_of_all_that_is_cut_off_ten_times_gives_every_event_once():
    async with serving() as (manager, client):
        seen, handles, headers = [], [], {}
        async with client.stream("GET", "/api/events") as response:
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    headers = {"last-event-id": line[4:]}
                    break
        for _ in range(10):
            handles.append(await manager.start(QUICK))
            await handles[-1].result()
            async with client.stream("GET", "/api/events", headers=headers) as response:
                async for one in messages_of(response):
                    seen.append(int(one.id))
                    headers = {"last-event-id": one.id}
                    if len(seen) % 4 == 0:
                        break
        written = []
        for handle in handles:
            async with handle.subscribe() as events:
                written += [event.position async for event in events]
        async with client.stream("GET", "/api/events", headers=headers) as response:
            async for one in messages_of(response):
                seen.append(int(one.id))
                if len(seen) >= len(written):
                    break
        assert seen == sorted(written)


async def test_the_stream_of_all_shows_only_what_may_be_read():
    hidden = set()

    async def authorize(request, action, pid):
        await anyio.lowlevel.checkpoint()
        return pid not in hidden

    async with (
        serving(authorize, redact=["password"]) as (manager, client),
        client.stream("GET", "/api/events") as response,
    ):
        hidden.add((await manager.start(LASTING)).pid)
        shown = await manager.start(QUICK, {"password": "open sesame"})
        found = []
        async for one in messages_of(response):
            found.append(one)
            if one.kind == "ProcessFinished":
                break
    assert {one.data["pid"] for one in found} == {shown.pid}
    assert "sesame" not in json.dumps([one.data for one in found])
    assert found[0].data["data"] == {"password": "[redacted]"}


# Its server is told to stop.


async def follow(client, url, begun):
    async with client.stream("GET", url) as response:
        begun.append(url)
        return [line async for line in response.aiter_lines()]


async def test_a_server_with_fifty_open_streams_stops():
    begun = []
    limits = httpx.Limits(max_connections=None)
    async with (
        ProcessManager("memory://", options=HASTY) as manager,
        httpx.AsyncClient(timeout=PATIENCE_S, limits=limits) as client,
    ):
        app = process_app(manager, authorize=allow_all, processes=ALL)
        pid = (await manager.start(LASTING)).pid
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as group, served(app, lifespan="off") as port:
                for number in range(50):
                    path = "/api/events" if number % 2 else f"/api/processes/{pid}/events"
                    group.start_soon(follow, client, f"http://127.0.0.1:{port}{path}", begun)
                while len(begun) < 50:
                    await anyio.lowlevel.checkpoint()


async def test_streams_end_when_the_manager_closes():
    manager = ProcessManager("memory://", options=HASTY)
    await manager.open()
    app = process_app(manager, authorize=allow_all)
    with anyio.fail_after(PATIENCE_S):
        async with (
            served(app, lifespan="off") as port,
            httpx.AsyncClient(timeout=PATIENCE_S) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/api/events") as response,
        ):
            await manager.close()
            assert [line async for line in response.aiter_lines()]
