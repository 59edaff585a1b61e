"""PostgreSQL goes away under load, again and again: nothing acknowledged is lost, and all finishes."""

from __future__ import annotations

from collections import Counter

import anyio
import anyio.to_thread
import pytest

from procactors import ManagerOptions, Process, ProcessManager, Step, step
from procactors.errors import StoreUnavailableError
from tests.postgres import postgres_server

STEPS, RESTARTS, KILLS = 5, 10, 2


@step
async def add(data):
    await anyio.sleep(0.01)
    return {"n": data["n"], "sum": data["sum"] + data["n"]}


PROCESS = Process("restarts", [Step(f"s{n}", add) for n in range(STEPS)], timeout=None)


@pytest.fixture
def server():
    with postgres_server() as server:
        yield server


async def start_on_and_on(manager, acknowledged, until):
    number = 0
    while not until.is_set():
        number += 1
        try:
            handle = await manager.start(PROCESS, {"n": number, "sum": 0}, key=f"p{number}")
        except StoreUnavailableError:
            continue  # it may have been stored, or not
        acknowledged[handle.pid] = number
        await anyio.sleep(0.005)


@pytest.mark.slow
async def test_a_server_that_is_restarted_and_killed_loses_nothing(server):
    acknowledged, is_enough = {}, anyio.Event()
    options = ManagerOptions(store_patience_s=60)
    async with ProcessManager(server.url("restarts"), options=options) as manager:
        async with anyio.create_task_group() as group:
            group.start_soon(start_on_and_on, manager, acknowledged, is_enough)
            for number in range(RESTARTS + KILLS):
                seen = len(acknowledged)
                with anyio.fail_after(60):
                    while len(acknowledged) < seen + 10:  # noqa: ASYNC110 - of what comes after the restart
                        await anyio.sleep(0.01)
                down = server.kill if number % 6 == 5 else server.stop
                await anyio.to_thread.run_sync(down)
                await anyio.to_thread.run_sync(server.start)
            is_enough.set()
        with anyio.fail_after(60):
            for pid, number in acknowledged.items():
                assert await manager.result(pid) == {"n": number, "sum": STEPS * number}
        await check_each_step_finished_once(manager, acknowledged)


async def check_each_step_finished_once(manager, acknowledged):
    _, newest = await manager._room.store.events_after(0, 1_000_000)
    finished = Counter()
    async with manager.subscribe(after=0) as events:
        async for event in events:
            if type(event).__name__ == "StepFinished" and event.pid in acknowledged:
                finished[event.pid, event.step] += 1
            if event.position >= newest:
                break
    assert len(finished) == STEPS * len(acknowledged)
    assert set(finished.values()) == {1}
