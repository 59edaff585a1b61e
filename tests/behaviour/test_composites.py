"""Steps that are made of processes: a process as a step, `Parallel`, `Each`."""

from __future__ import annotations

import anyio
import pytest

from procactors import (
    Each,
    Interrupt,
    InvalidDefinitionError,
    Parallel,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    run_steps,
)
from tests.behaviour.history import history, kinds, until_status
from tests.behaviour.steps import echo, fail, fail_often, gated, grow, note

INNER = Process("inner", {"x": grow, "y": grow})


async def doubled(data):
    return data * 2


async def asks(data):
    return Interrupt({"question": "?"})


async def _outer_and_inner(m):
    handle = await m.start(Process("outer", {"a": grow, "b": INNER, "c": grow}), {"n": 1})
    assert await handle.result() == {"n": 1, "trail": ["a", "x", "y", "c"]}


async def test_a_process_as_a_step_is_a_child(m):
    await _outer_and_inner(m)
    (child,) = await m.list(name="inner")
    assert child.depth == 1


async def test_a_process_in_a_list_of_steps_is_named_by_its_name(m):
    handle = await m.start(Process("outer", [grow, INNER]))
    assert await handle.result() == {"trail": ["grow", "x", "y"]}


async def test_branches_get_the_same_data_and_their_outputs_come_by_name(m):
    fork = Parallel({"left": grow, "right": Step("right", echo), "inner": INNER})
    handle = await m.start(Process("p", {"a": grow, "fork": fork}), {"n": 1})
    assert await handle.result() == {
        "left": {"n": 1, "trail": ["a", "left"]},
        "right": {"n": 1, "trail": ["a"]},
        "inner": {"n": 1, "trail": ["a", "x", "y"]},
    }


@pytest.mark.parametrize("limit", [None, 1, 3])
async def test_each_item_is_worked_on_and_the_outputs_keep_the_order(m, limit):
    handle = await m.start(Process("p", {"all": Each(doubled, over="ns", limit=limit)}), {"ns": [3, 1, 2]})
    assert await handle.result() == [6, 2, 4]


async def test_an_empty_list_gives_an_empty_list(m):
    assert await (await m.start(Process("p", {"all": Each(doubled, over="ns")}), {"ns": []})).result() == []


@pytest.mark.parametrize("data", [{}, {"ns": 7}, [1], {"ns": {"a": 1}}])
async def test_data_without_the_list_fails_the_step(m, data):
    handle = await m.start(Process("p", {"all": Each(doubled, over="ns")}), data)
    with pytest.raises(ProcessFailedError, match="'ns'"):
        await handle.result()


async def test_a_crash_repeats_only_what_had_not_finished(world, probe):
    fork = Parallel({"quick": note, "slow": gated})
    async with world.manager() as m:
        handle = await m.start(Process("p", {"fork": fork}), {"n": 1})
        await probe.reached["slow"].wait()
        while (await m.list(name="fork.quick", status="finished")) == []:
            await world.clock.settle()
        await m.kill()
    probe.gates["slow"].set()
    async with world.manager() as m:
        assert set(await m.result(handle.pid)) == {"quick", "slow"}
        assert sorted(probe.steps) == ["quick", "slow", "slow"]


async def test_a_retried_step_repeats_only_the_branch_that_failed(world, probe):
    probe.failures = 1
    fork = Step("fork", Parallel({"good": note, "bad": fail_often}), retry=Retry(attempts=2, delay=0.1))
    async with world.manager() as m:
        await (await m.start(Process("p", [fork]), {"n": 1})).result()
        assert probe.steps.count("good") == 1
        (bad,) = await m.list(name="fork.bad")
        assert kinds(await history(m, bad.pid)).count("ProcessRetried") == 1


async def test_a_branch_retries_by_itself(world, probe):
    probe.failures = 2
    bad = Step("bad", fail_often, retry=Retry(attempts=3, delay=0.1))
    async with world.manager() as m:
        await (await m.start(Process("p", {"fork": Parallel({"bad": bad})}), {"n": 1})).result()
        (branch,) = await m.list(name="fork.bad")
        assert kinds(await history(m, branch.pid)).count("StepRetryScheduled") == 2


async def test_a_branch_has_the_timeout_of_its_parent(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"fork": Parallel({"hangs": gated})}, timeout=2), {"n": 1})
        with pytest.raises(ProcessFailedError, match="timeout of 2 s"):
            await handle.result()


async def test_a_branch_that_fails_fails_the_step_and_ends_the_others(world, probe):
    async with world.manager() as m:
        fork = Parallel({"hangs": gated, "fails": fail})
        handle = await m.start(Process("p", {"fork": fork}, timeout=None), {"n": 1})
        with pytest.raises(ProcessFailedError, match="fails"):
            await handle.result()
        (hangs,) = await m.list(name="fork.hangs")
        await until_status(m.handle(hangs.pid), "cancelled")


async def test_a_branch_may_sleep_and_ask(world, probe):
    async with world.manager() as m:
        fork = Parallel({"sleeps": Sleep(5), "asks": asks})
        handle = await m.start(Process("p", {"fork": fork}, timeout=2), {"n": 1})
        await world.clock.advance(6)
        (asking,) = await m.list(status="interrupted")
        assert (await handle.info()).status == "waiting"
        await m.proceed(asking.pid, {"answer": 1})
        output = await handle.result()
        assert output == {"sleeps": {"n": 1}, "asks": {"question": "?", "answer": 1}}


async def test_a_hundred_items_with_few_slots(memory_world):
    async with memory_world.manager(max_running=3) as m:
        work = Process("p", {"all": Each(Each(doubled, over="ns"), over="lists", limit=5)})
        data = {"lists": [{"ns": [n, n + 1]} for n in range(30)]}
        assert await (await m.start(work, data)).result() == [[2 * n, 2 * n + 2] for n in range(30)]


async def takes_a_second(data):
    await anyio.sleep(1)
    return data


async def test_a_slot_that_an_item_leaves_is_the_next_ones_at_once(memory_world):
    async with memory_world.manager(max_running=2) as m:
        began, items = memory_world.clock.wall(), list(range(40))
        handle = await m.start(Process("p", {"all": Each(takes_a_second, over="ns")}), {"ns": items})
        assert await handle.result() == items
        assert memory_world.clock.wall() - began < 20.01


async def test_between_one_item_and_the_next_the_parent_goes_on_waiting(m):
    handle = await m.start(Process("p", {"all": Each(doubled, over="ns", limit=1)}), {"ns": [1, 2, 3]})
    assert await handle.result() == [2, 4, 6]
    names = kinds(await history(m, handle.pid))
    assert names.count("ProcessWaiting") == names.count("ProcessResumed") == 1


def test_composites_have_a_spec():
    process = Process(
        "p",
        {
            "a": INNER,
            "b": Step("b", Parallel({"x": grow, "y": INNER}), timeout=9, retry=Retry(attempts=2)),
            "c": Each(Step("one", grow, timeout=3), over="items", limit=2),
            "d": Each(Parallel({"x": grow}), over="items"),
        },
    )
    spec = process.to_spec()
    assert Process.from_spec(spec) == process
    assert Process.from_spec(spec).to_spec() == spec
    grow_reference = "tests.behaviour.steps:grow"
    assert spec["steps"]["c"] == {
        "each": {"name": "one", "step": {"call": grow_reference, "timeout": 3}, "over": "items", "limit": 2}
    }
    assert spec["steps"]["b"]["parallel"]["x"] == {"call": grow_reference}
    assert spec["steps"]["a"] == {"process": INNER.to_spec()}


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ({"a": {"parallel": {}}}, "step 'a', field 'parallel'"),
        ({"a": {"parallel": {"x": {}}}}, "step 'x', field 'call': is missing"),
        ({"a": {"each": {"step": "m:f"}}}, "step 'a', field 'each'.*over"),
        ({"a": {"each": {"step": "m:f", "over": "x", "limit": 0}}}, "limit must be 1 or more"),
        ({"a": {"process": {"name": "q"}}}, "step 'a', field 'process'.*steps"),
        ({"a": {"process": {"name": "q", "steps": {"x": "m:f"}}, "call": "m:f"}}, "can't be combined"),
        ({"a": {"parallel": {"x": "m:f"}, "executor": "thread"}}, "field 'executor': makes no sense"),
    ],
)
def test_a_bad_spec_says_where_and_why(steps, reason):
    with pytest.raises(InvalidDefinitionError, match=reason):
        Process.from_spec({"name": "p", "steps": steps})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Parallel({}),
        lambda: Parallel([grow]),
        lambda: Parallel({"a": lambda data: data}),
        lambda: Each(grow, over=""),
        lambda: Each(grow, over="x", limit=0),
        lambda: Each(None, over="x"),
        lambda: Process("p", [Parallel({"a": grow})]),
        lambda: Step("s", INNER, args=(1,)),
        lambda: Step("s", INNER, heartbeat=1),
        lambda: Step("s", INNER, services=["probe"]),
    ],
)
def test_a_bad_composite_is_refused_at_construction(wrong):
    with pytest.raises(InvalidDefinitionError):
        wrong()


async def test_what_a_branch_misses_is_said_at_start(m):
    fork = Parallel({"a": Step("a", grow, services=["none"])})
    with pytest.raises(InvalidDefinitionError, match="none"):
        await m.start(Process("p", {"outer": Process("q", {"fork": fork})}))
    assert await m.list() == []


async def test_in_place_there_are_no_children():
    with pytest.raises(InvalidDefinitionError, match="made of processes"):
        await run_steps({"a": INNER}, {})


async def test_the_timeout_of_an_inner_process_is_its_own(world, probe):
    inner = Process("inner", {"hangs": gated}, timeout=1)
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": inner}, timeout=30))
        with pytest.raises(ProcessFailedError, match="timeout of 1 s"):
            await handle.result()
        (child,) = await m.list(name="inner")
        with pytest.raises(ProcessTimedOutError):
            await m.result(child.pid)
