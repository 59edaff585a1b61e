from __future__ import annotations

import pytest

from procactors import ManagerOptions, Process, StoreUnavailableError
from procactors.observe import Observer
from procactors.stores.memory import MemoryStore
from procactors.testing import SimulatedStore, VirtualClock, manager

IMPATIENT = ManagerOptions(store_patience_s=3)


async def adds(data):
    return {"x": data.get("x", 0) + 1}


THREE = Process("three", {"a": adds, "b": adds, "c": adds}, timeout=None)


class Retries(Observer):
    def __init__(self):
        self.seen = []

    def store_retried(self, error, delay):
        self.seen.append(str(error))


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def store(clock):
    return SimulatedStore(MemoryStore("memory://", clock, IMPATIENT))


@pytest.fixture
def retries():
    return Retries()


@pytest.fixture
async def m(clock, store, retries):
    async with manager(clock=clock, store=store, options=IMPATIENT, observer=retries) as m:
        yield m


async def test_without_an_order_it_behaves_as_the_store_behind_it(m, store):
    before = store.commits
    assert await (await m.start(THREE)).result() == {"x": 3}
    assert store.commits - before == 4
    assert store.url == "memory://"


async def test_a_commit_that_fails_for_a_while_is_tried_again(m, store, retries):
    store.fail(3)
    assert await (await m.start(THREE)).result() == {"x": 3}
    assert retries.seen == ["the simulated store fails as ordered"] * 3


async def test_a_users_own_write_gives_up_when_its_patience_is_over(m, store, clock):
    store.fail(1000)
    began = clock.monotonic()
    with pytest.raises(StoreUnavailableError, match="as ordered"):
        await m.start(THREE)
    assert 3 <= clock.monotonic() - began <= 5
    store.fail(0)
    assert await m.list() == []


async def test_a_users_own_write_does_not_wait_for_an_engines_write_before_it(m, store, clock):
    handle = await m.start(THREE)
    store.fail(1000)
    await clock.settle()  # the first checkpoint waits for the store now
    began = clock.monotonic()
    with pytest.raises(StoreUnavailableError, match="as ordered"):
        await m.start(THREE)
    assert clock.monotonic() - began == pytest.approx(3, abs=0.1)
    store.fail(0)
    assert await handle.result() == {"x": 3}


async def test_what_waits_for_the_store_is_told_when_the_manager_closes(clock, store):
    hasty = ManagerOptions(store_patience_s=3, grace_s=1)
    async with manager(clock=clock, store=store, options=hasty) as m:
        handle = await m.start(THREE)
        store.fail(1000)
        await clock.settle()
    store.fail(0)
    async with manager(clock=clock, store=store, options=hasty) as m:
        assert await m.result(handle.pid) == {"x": 3}


async def test_what_a_step_has_done_waits_for_the_store_however_long_it_takes(m, store, clock):
    handle = await m.start(THREE)
    store.fail(100)
    assert await handle.result() == {"x": 3}
    assert clock.monotonic() > IMPATIENT.store_patience_s


async def test_a_slow_store_takes_its_time(m, store, clock):
    store.delay(2)
    began = clock.monotonic()
    assert await (await m.start(THREE)).result() == {"x": 3}
    assert clock.monotonic() - began == pytest.approx(4 * 2)


@pytest.mark.parametrize(("when", "known"), [("before", 0), ("after", 1)])
async def test_a_crash_leaves_what_was_durable(clock, store, when, known):
    m = manager(clock=clock, store=store, options=IMPATIENT)
    await m.open()
    crashes = []
    store.on_crash = lambda: crashes.append(store.commits)
    store.crash_at(1, when)
    with pytest.raises(StoreUnavailableError):
        await m.start(THREE)
    assert store.has_crashed
    assert len(crashes) == 1
    await m.kill()
    store.reboot()
    async with manager(clock=clock, store=store, options=IMPATIENT) as second:
        infos = await second.list()
        assert len(infos) == known
        for info in infos:
            assert await second.result(info.pid) == {"x": 3}
