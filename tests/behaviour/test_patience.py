"""What readers see while the store is away: they wait as writers do, and get the same error at the end."""

from __future__ import annotations

import anyio
import pytest

from procactors import HistoryGoneError, InvalidStoreError, Process, StoreUnavailableError
from procactors.testing import SimulatedStore
from tests.behaviour.steps import echo, gated

PATIENCE_S = 10

ECHO = Process("echo", {"a": echo})


async def read_stream(m, pid):
    async with m.subscribe(pid) as events:
        return [event.seq async for event in events]


async def read_all(m, _pid):
    async with m.subscribe(after=0) as events:
        return (await anext(events)).position


async def back_to(m, pid):
    fork = await m.fork(pid, "a")
    return await fork.result()


READS = {
    "info": lambda m, pid: m.info(pid),
    "list": lambda m, _: m.list(),
    "list of children": lambda m, pid: m.list(parent=pid),
    "result": lambda m, pid: m.result(pid),
    "result in time": lambda m, pid: m.result(pid, timeout=100),
    "subscribe": read_stream,
    "subscribe to all": read_all,
    "counts": lambda m, _: m.counts(),
    "names": lambda m, _: m.names(),
    "managers": lambda m, _: m.managers(),
    "fleet": lambda m, _: m.fleet(),
    "queues": lambda m, _: m.queues(),
    "deferred failures": lambda m, _: m.deferred_failures(),
    "fork": back_to,
}


@pytest.fixture
def store(memory_world):
    return SimulatedStore(memory_world.memory)


@pytest.fixture
async def m(memory_world, store):
    async with memory_world.manager(store=store) as m:
        yield m


@pytest.fixture
async def ended(m):
    handle = await m.start(ECHO, {"x": 1})
    await handle.result()
    return handle.pid


@pytest.mark.parametrize("name", READS)
async def test_who_reads_while_the_store_is_away_waits_for_it(m, store, ended, name):
    before = await READS[name](m, ended)
    store.is_away = True
    async with anyio.create_task_group() as group:
        group.start_soon(come_back, store, PATIENCE_S - 2)
        after = await READS[name](m, ended)
    assert type(after) is type(before)


async def come_back(store, seconds):
    await anyio.sleep(seconds)
    store.is_away = False


@pytest.mark.parametrize("name", READS)
async def test_who_reads_a_store_that_stays_away_hears_so_when_patience_is_over(m, store, ended, name):
    store.is_away = True
    began = anyio.current_time()
    with pytest.raises(StoreUnavailableError, match="is away"):
        await READS[name](m, ended)
    assert anyio.current_time() - began == pytest.approx(PATIENCE_S, abs=1e-3)
    store.is_away = False


async def test_who_writes_waits_as_long(m, store):
    store.is_away = True
    began = anyio.current_time()
    with pytest.raises(StoreUnavailableError, match="is away"):
        await m.start(ECHO)
    assert anyio.current_time() - began == pytest.approx(PATIENCE_S, abs=1e-3)
    store.is_away = False


@pytest.mark.parametrize("timeout", [0, 3])
async def test_who_waits_for_a_result_for_less_hears_of_the_store_by_then(m, store, ended, timeout):
    store.is_away = True
    began = anyio.current_time()
    with pytest.raises(StoreUnavailableError, match="is away"):
        await m.result(ended, timeout=timeout)
    assert anyio.current_time() - began == pytest.approx(timeout, abs=1e-3)
    store.is_away = False


async def test_a_result_takes_no_longer_than_its_timeout_though_its_first_look_has_taken_some_of_it(
    m, store, memory_world, probe
):
    async with memory_world.manager(run=False, store=store) as client:
        handle = await m.start(Process("p", {"a": gated}))
        await probe.reached["a"].wait()
        store.is_away = True
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(come_back, store, 2)
            with pytest.raises(TimeoutError):
                await client.result(handle.pid, timeout=5)
        assert anyio.current_time() - began == pytest.approx(5, abs=1e-3)
        probe.gates["a"].set()
        await handle.result()


async def test_a_stream_goes_on_where_it_was_after_it_has_told_that_the_store_is_away(m, store, ended):
    async with m.subscribe(ended) as events:
        store.is_away = True
        with pytest.raises(StoreUnavailableError):
            await anext(events)
        store.is_away = False
        seen = [event.seq async for event in events]
    assert seen == list(range(1, (await m.info(ended)).seq + 1))


async def test_who_waits_for_the_store_of_a_manager_that_is_closed_hears_of_that(m, store, ended):
    store.is_away = True
    async with anyio.create_task_group() as group:
        group.start_soon(close_soon, m, store)
        with pytest.raises(StoreUnavailableError, match=r"closed|not open"):
            await m.info(ended)


async def close_soon(m, store):
    await anyio.sleep(1)
    store.is_away = False
    await m.close()


@pytest.mark.parametrize("error", [InvalidStoreError("no such table"), HistoryGoneError("gone")])
async def test_what_waiting_would_not_mend_is_told_at_once(m, ended, monkeypatch, error):
    async def refuse(_pid):
        raise error

    monkeypatch.setattr(m.store, "record", refuse)
    began = anyio.current_time()
    with pytest.raises(type(error)):
        await m.info(ended)
    assert anyio.current_time() == began
