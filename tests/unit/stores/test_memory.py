"""The store in memory: shared by whoever has the object, and there again after it was closed."""

from __future__ import annotations

import anyio
import pytest

from procactors import ManagerOptions
from procactors._clock import SystemClock
from procactors.stores import open_store, this_process


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def store():
    return open_store("memory://", SystemClock(), ManagerOptions())


async def names(store):
    return [member.identity.name for member in await store.members()]


async def test_it_stays_open_for_its_last_user(store):
    await store.open()
    await store.register(this_process("first", "manager"), 5)
    await store.open()
    await store.close()
    assert await names(store) == ["first"]
    await store.close()
    await store.close()
    await store.open()
    assert await names(store) == ["first"]
    await store.close()


async def test_its_users_hear_of_each_others_changes(store):
    await store.open()
    await store.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.changed)
        await anyio.wait_all_tasks_blocked()
        await store.register(this_process("second", "client"), 5)
    await store.close()
    await store.close()
