from __future__ import annotations

from functools import partial

import anyio
import pytest

from procactors import Interrupt, ManagerOptions, Process, ProcessInterrupted, ProcessStatus, Step
from procactors.stores.memory import MemoryStore
from procactors.testing import SimulatedStore, VirtualClock, manager

ROUNDS = 30


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def store(clock):
    return SimulatedStore(MemoryStore("memory://", clock, ManagerOptions()))


async def asks(data):
    return Interrupt(data)


async def hangs(data):
    await anyio.sleep_forever()


async def test_a_process_that_is_answered_at_once_comes_back_before_its_former_actor_has_ended(clock, store):
    process = Process("p", {f"ask{n}": Step(f"ask{n}", asks) for n in range(ROUNDS)})
    async with manager(clock=clock, store=store) as m:
        handle = await m.start(process)
        answers = 0
        async with handle.subscribe() as events:
            async for event in events:
                if isinstance(event, ProcessInterrupted):
                    answers += 1
                    await handle.proceed({f"a{answers}": answers})
        assert answers == ROUNDS
        assert await handle.result() == {f"a{n}": n for n in range(1, ROUNDS + 1)}
        restarts = {row.name: row.restarts for row in m.tree() if row.restarts}
        assert restarts == {}


async def test_an_engine_that_begins_anew_does_so_once_however_many_processes_it_ran(clock, store):
    """Each of them ends with the former life, and the new one hears of it."""
    began, gate = [], anyio.Event()
    services = {"began": began, "gate": gate}
    process = Process("p", [Step("waits", waits, services=("began", "gate"))])
    async with (
        manager(clock=clock, store=store, services=services) as m,
        manager(clock=clock, store=store, run=False, seed=1) as client,
    ):
        with anyio.fail_after(60):
            pids = [(await m.start(process, {"n": n})).pid for n in range(20)]
            while len(began) < len(pids):  # noqa: ASYNC110 - of many
                await anyio.sleep(0.1)
            async with m.subscribe():
                store.events_after = partial(is_broken, store)
                await client.start(process, delay=1000)
                while len(began) < 2 * len(pids):  # noqa: ASYNC110 - of many
                    await anyio.sleep(0.1)
            gate.set()
            assert [await m.result(pid) for pid in pids] == [{"n": n} for n in range(20)]
            assert {row.restarts for row in m.tree() if row.name in {"streams", "supervisor"}} == {1}


async def is_broken(store, *_):
    del store.events_after
    raise RuntimeError("broken")


async def waits(data, ctx, *, began, gate):
    began.append(ctx.pid)
    await gate.wait()
    return data


async def test_what_a_closing_manager_has_just_claimed_is_released_without_an_attempt(clock, store):
    m = manager(clock=clock, store=store)
    await m.open()
    handle = await m.start(Process("p", [hangs], timeout=None), delay=5)
    await clock.advance(4)
    store.delay(2)
    await clock.advance(2)  # the claim is under way now
    began = clock.monotonic()
    await m.close()
    assert clock.monotonic() - began < ManagerOptions().grace_s, "its step had not begun: nothing to wait for"
    store.delay(0)
    async with manager(clock=clock, store=store, run=False) as client:
        info = await client.info(handle.pid)
        assert (info.status, info.owner, info.attempt) == (ProcessStatus.QUEUED, None, 1)
        kinds = [type(event).__name__ for event in await store.history(handle.pid, 0, 100)]
    assert kinds[-1] == "ProcessReleased"


def breaks():
    raise RuntimeError("as planned")


async def breaks_off(data, ctx):
    """Wait, the first time, until the engine breaks down around it."""
    if ctx.attempt == 1:
        await anyio.sleep_forever()
    return {"attempt": ctx.attempt}


@pytest.mark.parametrize("actor", ["watchdog", "supervisor"])
async def test_an_actor_of_the_engine_that_fails_takes_no_process_with_it(clock, store, actor):
    async with manager(clock=clock, store=store) as m:
        handles = [await m.start(Process("p", [breaks_off], timeout=None)) for _ in range(3)]
        await clock.settle()
        getattr(m._room, actor).cell.turns.call_hook(breaks)
        assert [await handle.result() for handle in handles] == [{"attempt": 2}] * 3
        restarts = {row.name: row.restarts for row in m.tree() if row.restarts}
        assert restarts.pop(actor) == 1
        assert set(restarts.values()) <= {1}
