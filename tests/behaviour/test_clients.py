"""Clients (`run=False`): they start, read, subscribe and control, and leave the running to others."""

from __future__ import annotations

import anyio
import pytest

from procactors import (
    KeyConflictError,
    ManagerOptions,
    Process,
    ProcessFailedError,
    StepNotResolvableError,
)
from procactors.stores import open_store
from procactors.testing import manager
from tests.behaviour.history import history, kinds, until, until_true
from tests.behaviour.steps import ask, echo, fail_often, gated, grow, note, sleeps


@pytest.fixture
async def client(file_world):
    async with file_world.manager(run=False) as client:
        yield client


async def test_a_client_runs_nothing(world, probe):
    async with world.manager(run=False) as client:
        handle = await client.start(Process("p", [note]), {"x": 1})
        await anyio.sleep(3)
        info = await handle.info()
        assert info.status == "queued"
        assert info.owner is None
        assert probe.calls == []
    async with world.manager() as m:
        assert await m.result(handle.pid) == {"x": 1}


async def test_a_manager_runs_at_once_what_a_client_starts(file_world, client):
    async with file_world.manager():
        began = file_world.clock.wall()
        handle = await client.start(Process("p", {"a": grow, "b": grow}), {"x": 1})
        assert await handle.result() == {"x": 1, "trail": ["a", "b"]}
        assert file_world.clock.wall() - began <= 0.2


async def test_a_client_follows_what_a_manager_runs(file_world, client, probe):
    async with file_world.manager() as m:
        handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}))
        seen = []
        async with client.subscribe(handle.pid) as events:
            async for event in events:
                seen.append(event)
                if type(event).__name__ == "StepStarted" and event.step == "b":
                    probe.gates["b"].set()
        assert [event.seq for event in seen] == list(range(1, 10))
        assert seen == await history(m, handle.pid)


async def test_a_client_sees_the_progress_of_what_a_manager_runs(file_world, client, probe):
    async with file_world.manager() as m:
        handle = await m.start(Process("p", {"a": tells_and_waits}))
        async with client.subscribe(handle.pid) as events:
            async for event in events:
                if type(event).__name__ == "StepProgressed":
                    assert (event.done, event.text) == (1, "one")
                    break
        assert (await client.info(handle.pid)).progress.done == 1
        probe.gates["a"].set()
        await handle.result()


async def tells_and_waits(data, ctx):
    ctx.progress(1, 2, "one")
    return await gated(data, ctx)


async def test_a_client_waits_for_the_result_of_a_slow_process(file_world, client):
    async with file_world.manager() as m:
        handle = await m.start(Process("p", [sleeps]), {"s": 3})
        assert await client.result(handle.pid) == {"s": 3}


async def test_a_client_proceeds_and_retries(file_world, client, probe):
    probe.failures = 1
    async with file_world.manager() as m:
        handle = await m.start(Process("p", {"a": ask, "b": fail_often, "c": note}))
        await until(client, handle.pid, "ProcessInterrupted")
        await client.proceed(handle.pid, {"y": 1})
        with pytest.raises(ProcessFailedError):
            await client.result(handle.pid)
        await client.retry(handle.pid)
        assert await client.result(handle.pid) == {"question": "?", "y": 1}
        assert probe.steps == ["a", "b", "b", "c"]


async def test_a_key_is_one_for_clients_and_managers(file_world, client):
    async with file_world.manager() as m:
        handle = await client.start(Process("p", [echo]), {"x": 1}, key="k")
        assert (await m.start(Process("p", [echo]), {"x": 2}, key="k")).pid == handle.pid
        with pytest.raises(KeyConflictError):
            await client.start(Process("p", [echo]), key="k", on_conflict="raise")
        assert await client.result(handle.pid) == {"x": 1}


async def test_a_client_does_not_check_that_steps_can_be_resolved(world):
    process = Process.from_spec({"name": "p", "steps": {"a": {"call": "elsewhere.steps:f"}}})
    async with world.manager(run=False) as client:
        handle = await client.start(process)
        assert (await client.info(handle.pid)).status == "queued"
    async with world.manager() as m:
        with pytest.raises(StepNotResolvableError):
            await m.start(process)


async def test_many_clients_start_and_wait_at_once(file_world):
    async with file_world.manager(max_running=5), anyio.create_task_group() as tasks:
        outputs = []

        async def work(n):
            async with file_world.manager(run=False) as client:
                handle = await client.start(Process("p", {"a": grow, "b": grow}), {"n": n})
                outputs.append((await handle.result())["n"])

        for n in range(8):
            tasks.start_soon(work, n)
    assert sorted(outputs) == list(range(8))


async def test_managers_and_clients_are_listed(file_world, client):
    async with file_world.manager() as m:
        names = {member.identity.name for member in await client.managers()}
        assert {m.name, client.name} <= names


async def test_a_stream_of_a_client_follows_a_takeover(file_world, client, probe):
    seen = []

    async def follow(pid):
        seen.extend(await history(client, pid))

    async with anyio.create_task_group() as tasks:
        async with file_world.manager() as m:
            handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}))
            tasks.start_soon(follow, handle.pid)
            await probe.reached["b"].wait()
            await anyio.sleep(1)
            await m.kill()
        probe.gates["b"].set()
        async with file_world.manager() as m:
            await m.result(handle.pid)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert "ProcessRecovered" in kinds(seen)
    assert kinds(seen)[-1] == "ProcessFinished"


async def test_a_store_in_memory_can_have_two_managers_at_a_time(memory_world):
    async with memory_world.manager() as m:
        first = await m.start(Process("p", [echo]), {"x": 1})
        async with memory_world.manager(run=False) as client:
            assert await client.result(first.pid) == {"x": 1}
            second = await client.start(Process("p", [echo]), {"x": 2})
        assert await m.result(second.pid) == {"x": 2}
        assert await (await m.start(Process("p", [echo]), {"x": 3})).result() == {"x": 3}


class LateAnswers:
    """A store that commits, and does not say so before it may."""

    def __init__(self, inner):
        self._inner = inner
        self.may_answer = anyio.Event()
        self.may_answer.set()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, operations):
        outcomes = await self._inner.commit(operations)
        await self.may_answer.wait()
        return outcomes


@pytest.mark.parametrize("follows", [True, False])
async def test_a_process_that_ended_before_its_start_was_acknowledged_has_a_result(file_world, follows):
    store = LateAnswers(open_store(file_world.url, file_world.clock, ManagerOptions()))
    late_client = manager(store=store, clock=file_world.clock, run=False, seed=7)
    async with file_world.manager() as m, late_client as client, client.subscribe() as events:
        if not follows:
            await events.aclose()
        outputs, plan = [], Process("p", [echo])

        async def starts():
            outputs.append(await (await client.start(plan, {"x": 1})).result())

        store.may_answer = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(starts)
            await until_true(lambda: _has_finished(m))
            while follows and type(await anext(events)).__name__ != "ProcessFinished":
                pass
            await file_world.clock.advance(1)
            store.may_answer.set()
        assert outputs == [{"x": 1}]


async def _has_finished(m):
    return len(await m.list("finished")) == 1
