"""Limits of a definition: how many run, of each group, how often one begins; over all managers on a store."""

from __future__ import annotations

from collections import defaultdict

import anyio
import pytest

from procactors import InvalidDefinitionError, ManagerOptions, Process, ProcessFailedError, Retry, Step
from procactors.testing import explore_crashes
from tests.behaviour.history import until_status
from tests.behaviour.steps import ask, echo, gated


class Ward:
    """Counts who is inside, in all and of each group, and notes when they came."""

    def __init__(self, clock):
        self.clock = clock
        self.inside = defaultdict(int)
        self.most = defaultdict(int)
        self.order = []
        self.times = []

    def enter(self, *names):
        self.times.append(self.clock.wall())
        for name in names:
            self.inside[name] += 1
            self.most[name] = max(self.most[name], self.inside[name])

    def leave(self, *names):
        for name in names:
            self.inside[name] -= 1


async def enters(data, ctx):
    ward = ctx.services["ward"]
    names = ("all", data.get("group"))
    ward.order.append(data["n"])
    ward.enter(*names)
    try:
        await anyio.sleep(data.get("s", 1))
    finally:
        ward.leave(*names)
    return data


@pytest.fixture
def ward(world):
    return Ward(world.clock)


@pytest.fixture
def services(ward):
    return {"ward": ward}


async def results_of(m, handles):
    return [await m.result(handle.pid) for handle in handles]


PATIENT = ManagerOptions(lease_s=1000)
"""Virtual time may run ahead of the threads that renew leases."""

ONE = Process("one", [enters], max_running=1)
TWO = Process("two", [enters], max_running=2)
FREE = Process("free", [enters])


async def test_no_more_of_a_definition_run_than_it_allows_and_they_keep_their_order(world, ward, services):
    async with world.manager(services=services) as m:
        handles = [await m.start(TWO, {"n": n}) for n in range(9)]
        await results_of(m, handles)
        assert ward.most["all"] == 2
        assert ward.order == list(range(9))


async def test_two_managers_do_not_exceed_a_limit_together(world, ward, services):
    more = {"services": services, "options": PATIENT}
    async with world.manager(**more) as one, world.manager(**more) as two:
        handles = [await m.start(TWO, {"n": n, "s": 0.2}) for n in range(6) for m in (one, two)]
        await results_of(one, handles)
        assert ward.most["all"] == 2


async def test_what_a_limit_holds_back_blocks_nobody_behind_it(world, ward, services):
    async with world.manager(services=services, max_running=3) as m:
        held = [await m.start(ONE, {"n": n, "s": 10}) for n in range(5)]
        others = [await m.start(FREE, {"n": 100 + n}) for n in range(6)]
        await results_of(m, others)
        assert ward.inside["all"] == 1
        assert (await held[1].info()).status == "queued"
        await results_of(m, held)
        assert ward.order[:3] == [0, 100, 101]


async def test_a_group_has_a_limit_of_its_own(world, ward, services):
    plan = Process("grouped", [enters], max_per_group=2, max_running=5)
    async with world.manager(services=services) as m:
        handles = [
            await m.start(plan, {"n": n, "group": group}, group=group)
            for n, group in enumerate(["a"] * 8 + ["b"] * 4 + ["c"] * 4)
        ]
        await results_of(m, handles)
        assert (ward.most["a"], ward.most["b"], ward.most["c"], ward.most["all"]) == (2, 2, 2, 5)
        assert ward.order[:5] == [0, 1, 8, 9, 12]


async def test_a_fork_is_in_the_group_of_what_it_was_forked_from(world, ward, services):
    plan = Process("grouped", [enters], max_per_group=1)
    async with world.manager(services=services) as m:
        handle = await m.start(plan, {"n": 1, "s": 0.1}, group="a")
        await handle.result()
        forks = [await m.fork(handle.pid, "enters") for _ in range(2)]
        await results_of(m, forks)
        assert {(await fork.info()).group for fork in [handle, *forks]} == {"a"}
        assert ward.most["all"] == 1


async def test_who_has_no_group_is_in_none(world, ward, services):
    plan = Process("grouped", [enters], max_per_group=1)
    async with world.manager(services=services) as m:
        await results_of(m, [await m.start(plan, {"n": n}) for n in range(4)])
        assert ward.most["all"] == 4


async def test_a_rate_holds_over_any_stretch_of_its_length(world, ward, services):
    plan = Process("rated", [enters], rate=(3, 1))
    more = {"services": services, "options": PATIENT}
    async with world.manager(**more) as one, world.manager(**more) as two:
        handles = [await m.start(plan, {"n": n, "s": 0.1}) for n in range(5) for m in (one, two)]
        await results_of(one, handles)
        times = sorted(ward.times)
        assert all(later - earlier > 0.98 for earlier, later in zip(times, times[3:], strict=False))
        assert times[-1] - times[0] < 3.5


async def test_a_rate_survives_the_managers(world, ward, services):
    plan = Process("rated", [enters], rate=(1, 5), keep=0)
    async with world.manager(services=services) as m:
        await results_of(m, [await m.start(plan, {"n": 1, "s": 0.1})])
    async with world.manager(services=services) as m:
        await results_of(m, [await m.start(plan, {"n": 2, "s": 0.1})])
    first, second = ward.times
    assert second - first >= 4.9


async def test_to_come_back_from_a_retry_waits_for_a_place(world, probe, ward, services):
    plan = Process("one", {"s": Step("s", comes_back, retry=Retry(attempts=2, delay=1))}, max_running=1)
    async with world.manager(services=services) as m:
        first = await m.start(plan, {"n": 0})
        await until_status(first, "sleeping")
        others = [await m.start(plan, {"n": n, "s": 3}) for n in (1, 2)]
        await results_of(m, [first, *others])
        assert ward.most["all"] == 1


async def comes_back(data, ctx):
    if ctx.attempt == 1 and data["n"] == 0:
        raise OSError("not yet")
    return await enters(data, ctx)


async def test_neither_an_interrupted_nor_an_ended_process_holds_a_place(world, ward, services):
    plan = Process("asks", {"a": ask, "b": enters}, max_running=1)
    async with world.manager(services=services) as m:
        asked = [await m.start(plan, {"n": n}) for n in range(3)]
        for handle in asked:
            await until_status(handle, "interrupted")
        for handle in asked:
            await handle.proceed()
        await results_of(m, asked)
        assert ward.most["all"] == 1


async def test_cancelling_what_runs_lets_the_next_one_run(world, probe, ward, services):
    plan = Process("one", {"g": gated}, max_running=1)
    async with world.manager(services=services) as m:
        first = await m.start(plan)
        await probe.reached["g"].wait()
        second = await m.start(plan)
        probe.gates["g"].set()
        await first.cancel()
        await second.result()


# Processes that wait for children.


async def descends(data, ctx):
    ward = ctx.services["ward"]
    ward.enter("working")
    await anyio.sleep(0.01)
    ward.leave("working")
    if data["depth"]:
        down = Process("down", [descends], max_running=data["max"])
        children = [(down, {**data, "depth": data["depth"] - 1}, str(n)) for n in range(data["width"])]
        await ctx.gather(*children)
    ward.enter("working")
    await anyio.sleep(0.01)
    ward.leave("working")
    return data


@pytest.mark.parametrize(("slots", "most", "depth", "width"), [(1, 1, 10, 1), (8, 2, 3, 3)])
async def test_who_waits_for_children_has_no_place_and_takes_the_next_one(
    world, ward, services, slots, most, depth, width
):
    async with world.manager(services=services, max_running=slots) as m:
        plan = Process("down", [descends], max_running=most)
        handle = await m.start(plan, {"depth": depth, "width": width, "max": most})
        await handle.result()
        assert ward.most["working"] == most


async def runs_free(data, ctx):
    child = Process("child", {"c": gated}, timeout=None)
    await ctx.run(child, {"s": 1})
    return await enters(data, ctx)


async def test_a_parent_gets_its_place_back_before_what_is_queued(world, probe, ward, services):
    parents = Process("one", [runs_free], max_running=1, timeout=None)
    others = Process("one", [enters], max_running=1)
    async with world.manager(services=services) as m:
        parent = await m.start(parents, {"n": 0})
        await probe.reached["c"].wait()
        queued = [await m.start(others, {"n": n, "s": 5}) for n in (1, 2, 3)]
        await until_status(queued[0], "running")
        probe.gates["c"].set()
        await results_of(m, [parent, *queued])
        assert ward.order == [1, 0, 2, 3]
        assert ward.most["all"] == 1


# Which limits hold.


async def test_the_limits_of_the_last_start_hold_for_all_of_the_name(world, ward, services):
    async with world.manager(services=services) as m:
        handles = [await m.start(ONE, {"n": n}) for n in range(4)]
        handles.append(await m.start(Process("one", [enters], max_running=4), {"n": 4}))
        await results_of(m, handles)
        assert ward.most["all"] == 4


async def test_limits_are_part_of_the_spec():
    plan = Process("p", [echo], max_running=3, max_per_group=2, rate=(10, 60), keep=5)
    spec = plan.to_spec()
    assert (spec["max_running"], spec["max_per_group"], spec["rate"], spec["keep"]) == (3, 2, [10, 60], 5)
    assert Process.from_spec(spec) == plan
    assert Process.from_spec(spec).limits == plan.limits
    assert Process("p", [echo]).limits is None


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_running": 0}, "max_running"),
        ({"max_running": True}, "max_running"),
        ({"max_per_group": -1}, "max_per_group"),
        ({"max_per_group": 1.5}, "max_per_group"),
        ({"rate": 3}, "rate"),
        ({"rate": (0, 1)}, "rate"),
        ({"rate": (1, 0)}, "rate"),
        ({"rate": (1, float("nan"))}, "rate"),
        ({"rate": (1, 2, 3)}, "rate"),
        ({"keep": -1}, "keep"),
        ({"keep": "day"}, "keep"),
    ],
)
def test_a_limit_that_is_none_is_refused_and_named(limits, said):
    with pytest.raises(InvalidDefinitionError, match=f"process 'p': {said}"):
        Process("p", [echo], **limits)


@pytest.mark.parametrize("group", [7, "\ud800"])
async def test_a_group_that_is_no_text_is_refused(world, group):
    async with world.manager() as m:
        with pytest.raises(InvalidDefinitionError, match="group"):
            await m.start(ONE, {"n": 1}, group=group)


async def test_a_client_starts_in_a_group_and_sees_who_waits(file_world, probe):
    plan = Process("grouped", {"g": gated}, max_per_group=1)
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        handles = [await client.start(plan, group=group) for group in ("a", "a", "b")]
        await until_status(m.handle(handles[2].pid), "running")
        total, queue = await client.queues()
        assert (total.name, queue.name, queue.max_per_group) == (None, "grouped", 1)
        assert dict(queue.counts) == dict(total.counts) == {"running": 2, "queued": 1}
        probe.gates["g"].set()
        await results_of(client, handles)
        assert probe.steps == ["g"] * 3


async def test_a_crash_at_any_commit_gives_the_place_back():
    rated = Process("rated", [echo], rate=(1, 1))
    one = Process("one", {"a": echo, "b": echo}, max_running=1)

    async def scenario(m):
        handles = [
            await m.start(plan, {"n": n}, key=f"{plan.name}{n}") for plan in (one, rated) for n in (1, 2)
        ]
        return [await handle.result() for handle in handles]

    report = await explore_crashes(scenario, options=ManagerOptions(crash_limit=50))
    assert report.output == [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 2}]
    assert report.crashes == 2 * report.commits


async def test_a_process_that_is_over_when_its_turn_comes_lets_the_next_one_go(world):
    undone = Process("p", [Step("a", echo, undo=echo), Step("b", fails_late)], max_running=1)
    async with world.manager() as m:
        first = await m.start(undone, {"s": 1}, priority=1)
        second = await m.start(undone, {"s": 1})
        for handle in (first, second):
            with pytest.raises(ProcessFailedError):
                await handle.result(timeout=60)


async def fails_late(data):
    await anyio.sleep(data["s"])
    raise ValueError("late")
