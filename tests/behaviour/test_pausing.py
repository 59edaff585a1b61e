"""Queues that are paused, resumed and drained at run time, durably, for all managers on a store."""

from __future__ import annotations

import pytest

from procactors import InvalidDefinitionError, Process, ProcessTimedOutError, Retry, Step
from procactors.testing import explore_crashes
from tests.behaviour.history import history, kinds, only, until_status
from tests.behaviour.steps import ask, echo, fail_often, gated

P = Process("p", [echo])
OTHER = Process("other", [echo])
GATED = Process("gated", {"g": gated}, timeout=None)


async def test_nothing_of_a_paused_name_begins_until_it_is_resumed(world):
    async with world.manager() as m:
        await m.pause("p")
        held = await m.start(P)
        keyed = await m.start(P, key="k")
        await (await m.start(OTHER)).result()
        await world.clock.advance(1)
        assert [(await handle.info()).status for handle in (held, keyed)] == ["queued", "queued"]
        await m.resume("p")
        await held.result()
        await keyed.result()


async def test_a_pause_of_everything_holds_every_name(world):
    async with world.manager() as m:
        await m.pause()
        handles = [await m.start(plan) for plan in (P, OTHER)]
        await world.clock.advance(1)
        assert [(await handle.info()).status for handle in handles] == ["queued", "queued"]
        await m.resume()
        for handle in handles:
            await handle.result()


async def test_what_is_paused_blocks_nobody_behind_it(world):
    async with world.manager(max_running=1) as m:
        await m.pause("p")
        for _ in range(5):
            await m.start(P, priority=5)
        await (await m.start(OTHER)).result()


async def test_what_runs_goes_on_and_what_comes_back_waits(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"g": gated, "a": ask, "b": echo}))
        await probe.reached["g"].wait()
        await m.pause("p")
        probe.gates["g"].set()
        await until_status(handle, "interrupted")
        await handle.proceed()
        await world.clock.advance(1)
        assert (await handle.info()).status == "queued"
        await m.resume("p")
        await handle.result()


async def test_a_pause_is_in_the_store_for_all_who_use_it(file_world):
    async with file_world.manager(run=False) as client:
        await client.pause("p")
    async with file_world.manager() as one, file_world.manager() as two:
        handles = [await m.start(P) for m in (one, two)]
        await file_world.clock.advance(0.3)
        total, queue = await two.queues()
        assert (total.is_paused, queue.name, queue.is_paused) == (False, "p", True)
        assert queue.counts == {"queued": 2}
        async with file_world.manager(run=False) as client:
            await client.resume("p")
        for handle in handles:
            await one.result(handle.pid)


async def test_time_in_which_the_queue_is_paused_does_not_count(memory_world, probe):
    probe.failures = 1
    retry = Step("s", fail_often, retry=Retry(attempts=2, delay=10, jitter=False))
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", [retry], timeout=30))
        await until_status(handle, "sleeping")
        before = (await handle.info()).deadline_at
        await m.pause("p")
        await memory_world.clock.advance("2h")
        assert (await handle.info()).status == "sleeping"
        await m.resume("p")
        await handle.result()
        events = await history(m, handle.pid)
        (extended,) = only(events, "DeadlineExtended")
        assert extended.seconds == pytest.approx(7200, abs=1)
        assert before is not None


async def test_what_is_left_of_its_time_after_a_pause_is_what_was_left_before(memory_world, probe):
    probe.failures = 1
    retry = Step("s", fail_often, retry=Retry(attempts=2, delay=25, jitter=False))
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"s": retry, "g": gated}, timeout=30))
        await until_status(handle, "sleeping")
        await memory_world.clock.advance(5)
        await m.pause()
        await m.pause("p")
        await memory_world.clock.advance(100)
        await m.resume("p")
        await memory_world.clock.advance(100)
        await m.resume()
        await probe.reached["g"].wait()
        deadline = (await handle.info()).deadline_at
        assert deadline.timestamp() - memory_world.clock.wall() == pytest.approx(25, abs=0.5)
        with pytest.raises(ProcessTimedOutError):
            await handle.result()


async def test_an_interrupt_of_a_paused_queue_still_answers_itself_and_then_waits(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": ask, "b": echo}))
        await until_status(handle, "interrupted")
        await m.pause()
        await m.pause()
        await handle.proceed({"x": 1})
        assert (await handle.info()).status == "queued"
        await m.resume()
        assert (await handle.result())["x"] == 1


async def test_of_a_pause_that_has_ended_nothing_is_left(world):
    async with world.manager() as m:
        for name in ("p", None):
            await m.pause(name)
            await m.resume(name)
        assert [queue.name for queue in await m.queues()] == [None]


async def test_resuming_what_is_not_paused_does_nothing(m):
    await m.resume()
    await m.resume("p")
    await (await m.start(P)).result()


async def runs_two(data, ctx):
    await ctx.run(GATED, data, key="first")
    return await ctx.run(P, data, key="second")


async def test_a_pause_of_everything_lets_what_is_under_way_come_to_its_end(world, probe):
    async with world.manager() as m:
        parent = await m.start(Process("parent", [runs_two]))
        await probe.reached["g"].wait()
        await m.pause()
        held = await m.start(P)
        probe.gates["g"].set()
        await parent.result()
        assert (await held.info()).status == "queued"


async def test_drain_waits_until_nothing_runs_and_lets_nothing_begin(world, probe):
    async with world.manager() as m:
        running = await m.start(GATED)
        await probe.reached["g"].wait()
        with pytest.raises(TimeoutError):
            await m.drain(timeout=0.5)
        held = await m.start(P)
        assert (await running.info()).status == "running"
        probe.gates["g"].set()
        await m.drain(timeout=5)
        assert (await running.info()).status == "finished"
        assert (await held.info()).status == "queued"
        await m.resume()
        await held.result()


async def test_a_client_drains_one_queue_of_a_manager(file_world, probe):
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        await m.start(GATED)
        await probe.reached["g"].wait()
        await client.drain(name="p")
        with pytest.raises(TimeoutError):
            await client.drain(0.2, name="gated")
        probe.gates["g"].set()
        await client.drain(name="gated")
        assert (await client.queues())[0].counts == {}


async def test_queues_are_counted_by_name_and_status(world, probe):
    async with world.manager(max_running=1) as m:
        await m.start(GATED)
        await probe.reached["g"].wait()
        await m.start(P)
        await m.start(P, delay=100)
        await m.pause("other")
        total, *queues = await m.queues()
        assert total.counts == {"running": 1, "queued": 1, "sleeping": 1}
        assert {queue.name: dict(queue.counts) for queue in queues} == {
            "gated": {"running": 1},
            "other": {},
            "p": {"queued": 1, "sleeping": 1},
        }
        assert [queue.is_paused for queue in queues] == [False, True, False]


@pytest.mark.parametrize("name", ["", "  ", 7])
async def test_a_name_that_no_process_can_have_is_refused(m, name):
    for verb in (m.pause, m.resume):
        with pytest.raises(InvalidDefinitionError):
            await verb(name)


async def test_a_crash_at_any_commit_leaves_it_paused_or_not(probe):
    async def scenario(m):
        await m.pause("p")
        handle = await m.start(P, {"x": 1}, key="k")
        await m.resume("p")
        output = await handle.result()
        return output, kinds(await history(m, handle.pid))[-1], (await m.queues())[0].is_paused

    report = await explore_crashes(scenario)
    assert report.output == ({"x": 1}, "ProcessFinished", False)
    assert report.crashes == 2 * report.commits
