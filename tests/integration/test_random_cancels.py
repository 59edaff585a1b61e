"""Five hundred cancels at random moments leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from procactors import (
    Interrupt,
    ManagerOptions,
    Process,
    ProcessEndedError,
    ProcessInterrupted,
    ProcessManager,
    ProcessStatus,
    Retry,
    Step,
)

CANCELS = 500
OPENINGS = 30


async def quick(data):
    return data


async def waits(data):
    await anyio.sleep(data["pause"])
    return data


def plain(data):
    return data


async def cleans_up(data):
    try:
        await anyio.sleep(data["pause"])
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.001)
    return data


async def fails(data):
    raise OSError("again")


async def asks(data):
    return Interrupt(data)


STEPS = [
    quick,
    waits,
    plain,
    cleans_up,
    Step("fails", fails, retry=Retry(attempts=2, delay=0.005)),
    asks,
]


@pytest.fixture
def rng():
    seed = int(os.environ.get("CANCEL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CANCEL_SEED={seed}")  # noqa: T201 - to get the same run again
    return random.Random(seed)


@pytest.fixture
async def manager(tmp_path):
    """A manager that leaves nothing behind, whatever was done with it."""
    before = await belongings()
    path = tmp_path / "cancels.db"
    async with ProcessManager(
        f"sqlite:///{path}", max_running=40, options=ManagerOptions(grace_s=1)
    ) as manager:
        yield manager
        await check_no_open_transaction(path)
        assert not [row for row in manager.tree() if row.name.startswith("process-")]
    assert await belongings() == before


async def belongings():
    """Return what this OS process has: tasks, threads and open files."""
    gc.collect()
    await anyio.wait_all_tasks_blocked()
    tasks = [task.get_name() for task in asyncio.all_tasks() if "TestRunner" not in str(task.get_coro())]
    return tasks, set(threading.enumerate()), open_files()


def open_files():
    found = []
    for number in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(number.readlink()))
        except OSError:
            continue  # that of the listing itself
    return sorted(found)


async def check_no_open_transaction(path):
    """Another connection can take the write lock (after at most a moment: the lease keeper writes, too)."""
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    connection.close()


@pytest.mark.slow
async def test_five_hundred_processes_cancelled_at_random_moments_leave_nothing_behind(manager, rng):
    async with anyio.create_task_group() as group:
        for _ in range(CANCELS):
            group.start_soon(start_and_cancel, manager, rng)
    infos = await manager.list(limit=10_000)
    assert len(infos) == CANCELS
    assert {info.status for info in infos} <= {ProcessStatus.CANCELLED, ProcessStatus.FAILED}
    assert all(info.owner is None for info in infos)


async def start_and_cancel(manager, rng):
    handle = await manager.start(
        Process("c", rng.sample(STEPS, 4), timeout=30), {"pause": rng.uniform(0, 0.02)}
    )
    await anyio.sleep(rng.uniform(0, 0.05))
    was_alive = await handle.cancel(reason="at random")
    async with handle.subscribe() as events:
        async for _ in events:
            pass
    info = await handle.info()
    assert was_alive == (info.status is ProcessStatus.CANCELLED)


@pytest.mark.slow
async def test_five_hundred_callers_cancelled_at_random_moments_leave_nothing_behind(manager, rng):
    answered = 0
    took = 0.01  # seconds; as it is measured, the moments spread over the whole of it on any machine
    for number in range(CANCELS):
        with anyio.move_on_after(rng.uniform(0, 1.2 * took)):
            await call_everything(manager, rng, f"k{number}")
            answered += 1
        if number % 10 == 0:
            began = anyio.current_time()
            await call_everything(manager, rng, f"whole{number}")
            took = (9 * took + anyio.current_time() - began) / 10
    print(f"{answered} of {CANCELS} callers came to their end")  # noqa: T201 - what was tried
    async with anyio.create_task_group() as group:
        for info in await manager.list(limit=10_000):
            group.start_soon(see_the_end, manager, info.pid)
    keys = [info.key for info in await manager.list(limit=10_000)]
    assert len(keys) == len(set(keys)), "a start that is cancelled has stored nothing, or a whole process"


async def call_everything(manager, rng, key):
    handle = await manager.start(Process("asks", [asks, quick]), {"pause": 0}, key=key)
    async with handle.subscribe() as events:
        async for event in events:
            if isinstance(event, ProcessInterrupted):
                break
    await manager.list()
    await handle.proceed({"pause": rng.random()})
    await handle.result()


async def see_the_end(manager, pid):
    await manager.cancel(pid)
    with suppress(ProcessEndedError):
        await manager.result(pid, timeout=60)


@pytest.mark.slow
async def test_managers_whose_opening_is_cancelled_at_random_moments_leave_nothing_behind(tmp_path, rng):
    path = tmp_path / "openings.db"
    before = await belongings()
    for _ in range(OPENINGS):
        with anyio.move_on_after(rng.uniform(0, 0.03)):
            async with ProcessManager(f"sqlite:///{path}") as manager:
                await manager.start(Process("quick", [quick]))
                await anyio.sleep_forever()
        assert await belongings() == before
    await check_no_open_transaction(path)
    async with ProcessManager(f"sqlite:///{path}") as manager:
        for info in await manager.list(limit=1000):
            await manager.result(info.pid, timeout=30)
        assert [member.identity.name for member in await manager.managers()] == [manager.name]
