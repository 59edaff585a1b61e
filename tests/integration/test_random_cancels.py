"""Five hundred cancels at random moments leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import random
import sqlite3
import threading
from pathlib import Path

import anyio
import pytest

from procactors import Interrupt, ManagerOptions, Process, ProcessManager, ProcessStatus, Retry, Step

CANCELS = 500


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


def open_files() -> set[str]:
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(number.readlink()))
        except OSError:
            continue
    return {name for name in found if ".db" in name}


@pytest.mark.slow
async def test_five_hundred_random_cancels_leave_nothing_behind(tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed={seed}")  # noqa: T201 - to get the same run again
    rng = random.Random(seed)
    threads_before = set(threading.enumerate())
    tasks_before = asyncio.all_tasks()
    path = tmp_path / "cancels.db"
    manager = ProcessManager(f"sqlite:///{path}", max_running=40, options=ManagerOptions(grace_s=1))
    async with manager:
        async with anyio.create_task_group() as group:
            for _ in range(CANCELS):
                group.start_soon(start_and_cancel, manager, rng)
        infos = await manager.list(limit=10_000)
        assert len(infos) == CANCELS
        assert {info.status for info in infos} <= {ProcessStatus.CANCELLED, ProcessStatus.FAILED}
        assert all(info.owner is None for info in infos)
        assert not [row for row in manager.tree() if row.name.startswith("process-")]
        await check_no_open_transaction(manager)
    gc.collect()
    assert asyncio.all_tasks() == tasks_before
    assert not open_files()
    left = [t for t in set(threading.enumerate()) - threads_before if t.is_alive() and not t.daemon]
    assert not left


async def start_and_cancel(manager, rng):
    handle = await manager.start(
        Process("c", rng.sample(STEPS, 4), timeout=30), {"pause": rng.uniform(0, 0.02)}
    )
    await anyio.sleep(rng.uniform(0, 0.05))
    was_alive = await handle.cancel(reason="at random")
    info = await ended(handle)
    assert was_alive == (info.status is ProcessStatus.CANCELLED)


async def ended(handle):
    async with handle.subscribe() as events:
        async for _ in events:
            pass
    return await handle.info()


async def check_no_open_transaction(manager):
    """Another connection can take the write lock at once."""
    connection = sqlite3.connect(manager._room.store._location.path, timeout=0, isolation_level=None)
    for _ in range(100):
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError:
            await anyio.sleep(0.01)  # the lease keeper writes now and then
    connection.execute("ROLLBACK")
    connection.close()
