"""Many at once: how many run, who goes first, and how many commits it takes."""

from __future__ import annotations

import anyio
import pytest

from procactors import InvalidDefinitionError, Process, ProcessFailedError, Retry, Step
from procactors.observe import Observer
from tests.behaviour.history import history, kinds, until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, gated, note, plain, sleeps


class Room:
    """Counts who is inside."""

    def __init__(self):
        self.inside = 0
        self.most = 0
        self.order = []


async def enters(data, ctx):
    room = ctx.services["room"]
    room.order.append(data["n"])
    room.inside += 1
    room.most = max(room.most, room.inside)
    await anyio.sleep(data.get("s", 1))
    room.inside -= 1
    return data


class Commits(Observer):
    """Keeps the classes of the events of each commit."""

    def __init__(self):
        self.seen = []

    def events_committed(self, events, seconds):
        self.seen.append([type(event).__name__ for event in events])


@pytest.fixture
def room():
    return Room()


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_no_more_run_than_max_running_and_all_slots_are_used(world, room, limit):
    async with world.manager(services={"room": room}, max_running=limit) as m:
        handles = [await m.start(Process("p", [enters]), {"n": n}) for n in range(20)]
        for handle in handles:
            await handle.result()
        assert room.most == limit
        assert len(room.order) == 20


async def test_the_first_come_is_served_first(world, room):
    async with world.manager(services={"room": room}, max_running=1) as m:
        handles = [await m.start(Process("p", [enters]), {"n": n, "s": 0.1}) for n in range(30)]
        for handle in handles:
            await handle.result()
        assert room.order == list(range(30))


@pytest.mark.parametrize("turns", [0, 1, 5, 20])
async def test_what_is_started_right_after_opening_is_neither_overtaken_nor_forgotten(world, room, turns):
    """The manager still looks what the store holds when the first processes come."""
    async with world.manager(services={"room": room}, max_running=1) as m:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        handles = [await m.start(Process("p", [enters]), {"n": n}) for n in range(2)]
        with anyio.fail_after(30):
            for handle in handles:
                await handle.result()
        assert room.order == [0, 1]


async def test_two_thousand_starts_at_once_all_finish(file_world):
    async with file_world.manager() as m:
        outputs = []

        async def work(n):
            outputs.append((await (await m.start(Process("p", [echo]), {"n": n})).result())["n"])

        async with anyio.create_task_group() as tasks:
            for n in range(2000):
                tasks.start_soon(work, n)
        assert sorted(outputs) == list(range(2000))


async def test_a_larger_priority_goes_first(world, room, probe):
    async with world.manager(services={"room": room}, max_running=1) as m:
        blocker = await m.start(Process("b", {"blocker": gated}))
        await probe.reached["blocker"].wait()
        wanted = [3, -2, 0, 7, 3, 0, 7, -2, 100]
        handles = [
            await m.start(Process("p", [enters]), {"n": n, "s": 0.1}, priority=priority)
            for n, priority in enumerate(wanted)
        ]
        for handle, priority in zip(handles, wanted, strict=True):
            assert (await handle.info()).priority == priority
        probe.gates["blocker"].set()
        await blocker.result()
        for handle in handles:
            await handle.result()
        assert [wanted[n] for n in room.order] == sorted(wanted, reverse=True)
        assert room.order == sorted(room.order, key=lambda n: (-wanted[n], n))


async def test_an_hour_of_waiting_makes_up_for_a_point_of_priority(memory_world, room, probe):
    async with memory_world.manager(services={"room": room}, max_running=1) as m:
        blocker = await m.start(Process("b", {"blocker": gated}, timeout=None))
        await probe.reached["blocker"].wait()
        plan = Process("p", [enters])
        old = await m.start(plan, {"n": "old"})
        await memory_world.clock.advance("3h")
        younger = await m.start(plan, {"n": "younger"}, priority=2)
        urgent = await m.start(plan, {"n": "urgent"}, priority=4)
        probe.gates["blocker"].set()
        for handle in (blocker, old, younger, urgent):
            await handle.result()
        assert room.order == ["urgent", "old", "younger"]


async def test_queued_processes_wait_in_the_store(world, probe):
    async with world.manager(max_running=1) as m:
        blocker = await m.start(Process("b", {"blocker": gated}))
        await probe.reached["blocker"].wait()
        handle = await m.start(Process("p", [note]), {"x": 1})
        info = await handle.info()
        assert info.status == "queued"
        assert info.owner is None
        assert info.started_at is None
        assert info.data == {"x": 1}
        assert info.steps == {"note": "pending"}
        probe.gates["blocker"].set()
        await blocker.result()
        await handle.result()


async def test_a_failed_a_sleeping_and_an_interrupted_process_hold_no_slot(world, probe):
    probe.failures = 1
    retry = Step("s", fail_often, retry=Retry(attempts=2, delay=20, jitter=False))
    async with world.manager(max_running=1) as m:
        failed = await m.start(Process("p", [fail]))
        sleeping = await m.start(Process("p", [retry]))
        asked = await m.start(Process("p", [ask]))
        last = await m.start(Process("p", [echo]), {"x": 1})
        assert await last.result() == {"x": 1}
        with pytest.raises(ProcessFailedError):
            await failed.result()
        assert (await sleeping.info()).status == "sleeping"
        await asked.proceed()
        await asked.result()
        await sleeping.result()


async def test_a_process_that_comes_back_waits_for_a_slot(world, room, probe):
    """A retry, an answer and a delay that are due while all slots are taken don't make one more."""
    probe.failures = 1
    retry = Step("s", fail_often, retry=Retry(attempts=2, delay=2, jitter=False))
    async with world.manager(services={"room": room}, max_running=2) as m:
        sleeping = await m.start(Process("p", {"s": retry, "t": enters}), {"n": 0})
        delayed = await m.start(Process("p", [enters]), {"n": 1}, delay=2)
        asked = await m.start(Process("p", {"a": ask, "b": enters}), {"n": 2})
        await until_status(asked, "interrupted")
        busy = [await m.start(Process("p", [enters]), {"n": n, "s": 3}) for n in (3, 4)]
        await asked.proceed()
        await world.clock.advance(2.5)
        assert room.order == [3, 4]
        for handle in (sleeping, delayed, asked, *busy):
            await handle.result()
        assert room.most == 2


async def test_two_managers_share_the_queue_of_one_file(file_world, room):
    services = {"room": room}
    async with (
        file_world.manager(services=services, max_running=2) as one,
        file_world.manager(services=services, max_running=3) as two,
    ):
        handles = [await one.start(Process("p", [enters]), {"n": n}) for n in range(25)]
        for handle in handles:
            await two.result(handle.pid)
        assert sorted(room.order) == list(range(25))
        assert room.most == 5
        for handle in handles:
            assert kinds(await history(one, handle.pid)).count("StepStarted") == 1


async def test_steps_of_one_process_never_run_at_the_same_time(world, room):
    async with world.manager(services={"room": room}) as m:
        await (await m.start(Process("p", dict.fromkeys("abc", enters)), {"n": 1})).result()
        assert room.most == 1


async def test_a_thousand_in_the_queue_all_finish(memory_world):
    async with memory_world.manager(max_running=10) as m:
        handles = [await m.start(Process("p", [echo]), {"n": n}) for n in range(1000)]
        for handle in handles:
            await handle.result()
        assert (await m.counts())["finished"] == 1000


async def settled(m, commits):
    """Have the manager know that nothing waits in its store, and forget what that cost."""
    await (await m.start(Process("p", [echo]))).result()
    await m.clock.advance(0.2)
    commits.seen.clear()


async def test_n_steps_cost_n_and_one_commits(world):
    commits = Commits()
    async with world.manager(observer=commits) as m:
        await settled(m, commits)
        handle = await m.start(Process("p", {"a": echo, "b": echo, "c": plain}))
        await handle.result()
        await world.clock.settle()
    assert commits.seen == [
        ["ProcessQueued", "ProcessStarted", "StepStarted"],
        ["StepFinished", "StepStarted"],
        ["StepFinished", "StepStarted"],
        ["StepFinished", "ProcessFinished"],
    ]


async def test_a_step_begins_after_the_commit_that_holds_its_start(world, probe):
    commits = Commits()
    async with world.manager(observer=commits) as m:
        await settled(m, commits)
        handle = await m.start(Process("p", {"a": gated}))
        await probe.reached["a"].wait()
        assert commits.seen == [["ProcessQueued", "ProcessStarted", "StepStarted"]]
        async with handle.subscribe() as events:
            assert [type(await anext(events)).__name__ for _ in range(3)] == commits.seen[0]
        probe.gates["a"].set()
        await handle.result()


async def test_slots_are_free_again_after_a_hundred_processes_of_every_kind(world, probe):
    async with world.manager(max_running=3) as m:
        handles = []
        for n in range(60):
            steps = [[echo], [fail], [plain], [sleeps]][n % 4]
            handles.append(await m.start(Process("p", steps, timeout=0.05 if n % 8 == 3 else 60), {"s": 0.1}))
            if n % 5 == 0:
                await handles[-1].cancel()
        async with anyio.create_task_group() as tasks:
            for handle in handles:
                tasks.start_soon(ended, handle)
        last = [await m.start(Process("p", {f"g{n}": gated})) for n in range(3)]
        for n in range(3):
            await probe.reached[f"g{n}"].wait()
            probe.gates[f"g{n}"].set()
        for handle in last:
            await handle.result()


async def ended(handle):
    async with handle.subscribe() as events:
        async for _ in events:
            pass


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_that_is_none_is_refused(world, limit):
    with pytest.raises((InvalidDefinitionError, ValueError, TypeError)):
        world.manager(max_running=limit)


@pytest.mark.parametrize("priority", ["high", None, 2**70])
async def test_a_priority_that_is_none_is_refused_and_nothing_is_stored(m, priority):
    with pytest.raises(InvalidDefinitionError):
        await m.start(Process("p", [echo]), priority=priority)
    assert await m.list() == []
