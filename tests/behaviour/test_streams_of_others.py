"""Results and streams where other managers write, too: what was taken over, missed, or could not be read."""

from __future__ import annotations

import anyio

from procactors import Process
from procactors.errors import StoreUnavailableError
from tests.behaviour.history import history, kinds, only, until, until_true
from tests.behaviour.steps import Probe, echo, gated, note

THREE = Process("p", {"a": echo, "b": echo, "c": echo})
GATED = Process("p", {"a": gated, "b": note})


async def take_for_dead(m):
    """Let others believe that a manager is gone, as they do when its lease has run out."""
    await m.store.unregister(m._room.member)


async def test_the_result_of_what_another_took_over_and_ended_is_told_by_who_lost_it(world, probe):
    async with world.manager(max_running=1) as zombie:
        handle = await zombie.start(GATED, {"x": 1})
        await probe.reached["a"].wait()
        await take_for_dead(zombie)
        heirs = Probe()
        heirs.gates["a"].set()
        async with world.manager(services={"probe": heirs}) as heir:
            assert await heir.result(handle.pid) == {"x": 1}
            await zombie.start(THREE)  # a commit of its own, behind those of the heir
            with anyio.fail_after(60):
                assert await zombie.result(handle.pid) == {"x": 1}
            assert kinds(await history(zombie, handle.pid))[-1] == "ProcessFinished"
        probe.gates["a"].set()


async def test_who_waits_for_what_another_takes_over_gets_its_result(world, probe):
    async with world.manager(max_running=1) as zombie, anyio.create_task_group() as group:
        handle = await zombie.start(GATED, {"x": 1})
        await probe.reached["a"].wait()
        results = []

        async def wait():
            results.append(await handle.result())

        group.start_soon(wait)
        await take_for_dead(zombie)
        heirs = Probe()
        heirs.gates["a"].set()
        async with world.manager(services={"probe": heirs}) as heir:
            assert await heir.result(handle.pid) == {"x": 1}
            with anyio.fail_after(60):
                await until_true(lambda: has_any(results))
        assert results == [{"x": 1}]
        probe.gates["a"].set()


async def has_any(things):
    return bool(things)


class Reads:
    """How much is read of what others wrote; and reading that fails on command."""

    def __init__(self, store):
        self.events = 0
        self.failures = 0
        self._read = store.events_after
        store.events_after = self.events_after

    async def events_after(self, position, limit):
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the store fails as ordered")
        events, last = await self._read(position, limit)
        self.events += len(events)
        return events, last


async def test_a_first_subscriber_is_not_held_up_by_all_that_was_written_before_it(file_world):
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        for _ in range(5):
            await (await m.start(THREE)).result()
        await anyio.sleep(1)  # the client has seen that there is something, and wanted none of it
        reads = Reads(client.store)
        async with client.subscribe() as events:
            handle = await m.start(THREE)
            seen = [await anext(events) for _ in range(9)]
        assert {event.pid for event in seen} == {handle.pid}
        assert reads.events == 9


async def test_a_store_that_cant_be_read_for_a_while_ends_no_stream(file_world, probe):
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        handle = await m.start(GATED, {"x": 1})
        await until(client, handle.pid, "StepStarted")
        async with client.subscribe() as everything, client.subscribe(handle.pid) as events:
            reads = Reads(client.store)
            reads.failures = 3
            probe.gates["a"].set()
            seen = [event async for event in events]
            assert reads.failures == 0
            assert [event.seq for event in seen] == list(range(1, 8))
            of_all = [await anext(everything) for _ in range(4)]
            assert only(of_all, "ProcessFinished") == only(seen, "ProcessFinished")


async def test_what_was_committed_while_others_could_not_be_read_is_told_later(file_world, probe):
    async with file_world.manager() as m, file_world.manager(run=False) as client, m.subscribe() as events:
        reads = Reads(m.store)
        reads.failures = 3
        others = await client.start(THREE)
        own = await m.start(THREE)
        seen = [await anext(events) for _ in range(18)]
        assert reads.failures == 0
        assert [event.position for event in seen] == list(range(1, 19))
        assert {event.pid for event in seen} == {others.pid, own.pid}
