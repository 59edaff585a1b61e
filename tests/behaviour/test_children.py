"""Processes that run processes: `ctx.run`, `ctx.gather`, what waits, what a crash finds again."""

from __future__ import annotations

import asyncio
from collections import Counter

import anyio
import pytest

from procactors import (
    ManagerOptions,
    Parallel,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    Retry,
    Step,
)
from procactors.engine import starting
from tests.behaviour.history import history, kinds, until_status
from tests.behaviour.steps import echo, fail, fail_often, gated, grow, note

CHILD = Process("child", {"c": grow})
GATED_CHILD = Process("gated-child", {"c": gated, "d": grow}, timeout=None)
FAILING_CHILD = Process("failing-child", {"c": fail})


async def runs_child(data, ctx):
    return await ctx.run(CHILD, data)


async def runs_gated(data, ctx):
    return {"from_child": await ctx.run(GATED_CHILD, data)}


async def runs_failing(data, ctx):
    return await ctx.run(FAILING_CHILD, data)


async def runs_often_failing(data, ctx):
    return await ctx.run(Process("often", {"s": fail_often}), data)


async def runs_often_failing_by_key(data, ctx):
    return await ctx.run(Process("often", {"s": fail_often}), data, key="x")


async def gathers_failing(data, ctx):
    return await ctx.gather(*[(FAILING_CHILD, {}, str(n)) for n in range(3)])


async def runs_twice(data, ctx):
    await ctx.run(CHILD, data)
    return await ctx.run(CHILD, data)


async def runs_keyed(data, ctx):
    first = await ctx.run(CHILD, {"n": 1}, key="one")
    second = await ctx.run(CHILD, {"n": 2}, key="two")
    again = await ctx.run(CHILD, {"n": 3}, key="one")
    return [first, second, again]


async def gathers(data, ctx):
    return await ctx.gather(*[(CHILD, {"n": n}, str(n)) for n in range(data["count"])])


async def gathers_one_bad(data, ctx):
    return await ctx.gather((GATED_CHILD, {}, "good"), (FAILING_CHILD, {}, "bad"))


async def recurses(data, ctx):
    if not data["n"]:
        return {"bottom": True}
    return await ctx.run(Process("down", [recurses]), {"n": data["n"] - 1})


async def branches(data, ctx):
    if not data["n"]:
        return 1
    down = Process("branches", [branches])
    return sum(await ctx.gather((down, {"n": data["n"] - 1}, "deep"), (down, {"n": 0}, "leaf")))


async def runs_child_and_waits(data, ctx):
    grown = await ctx.run(CHILD, data)
    await gated(data, ctx)
    return grown


async def gives_up_waiting(data, ctx):
    with anyio.move_on_after(1):
        await ctx.run(GATED_CHILD, data)
    return {"gave": "up"}


async def child_of(m, handle):
    (child,) = [info for info in await m.list() if info.parent_pid == handle.pid]
    return m.handle(child.pid)


async def test_a_step_gets_the_output_of_its_child(m):
    handle = await m.start(Process("p", {"a": runs_child, "b": grow}), {"x": 1})
    assert await handle.result() == {"x": 1, "trail": ["c", "b"]}
    child = await (await child_of(m, handle)).info()
    assert child.status == "finished"
    assert child.parent_pid == handle.pid
    assert child.depth == 1
    names = kinds(await history(m, handle.pid))
    assert names.count("ProcessWaiting") == names.count("ProcessResumed") == 1


async def test_while_it_waits_the_parent_is_waiting_and_its_time_stands_still(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated}, timeout=2), {"x": 1})
        await until_status(handle, "waiting")
        info = await handle.info()
        assert info.deadline_at is None
        await world.clock.advance(4)
        probe.gates["c"].set()
        assert (await handle.result())["from_child"]["trail"] == ["d"]


async def test_nesting_deeper_than_there_are_slots_comes_to_its_end(world):
    async with world.manager(max_running=1) as m:
        handle = await m.start(Process("down", [recurses]), {"n": 6})
        assert await handle.result() == {"bottom": True}
        assert sorted(info.depth for info in await m.list()) == list(range(7))


async def test_ten_levels_of_children_with_children_come_to_their_end_with_one_slot(world):
    async with world.manager(max_running=1) as m:
        handle = await m.start(Process("branches", [branches]), {"n": 10})
        assert await handle.result() == 11
        depths = [info.depth for info in await m.list()]
        assert sorted(depths) == [0, *(depth for depth in range(1, 11) for _ in range(2))]


async def test_a_parent_that_goes_on_overtakes_what_is_queued(world, probe):
    async with world.manager(max_running=1) as m:
        handle = await m.start(Process("p", {"a": runs_gated, "b": note}), {"n": "parent"})
        await probe.reached["c"].wait()
        others = [await m.start(Process("q", {"q": note}), {"n": n}) for n in range(3)]
        probe.gates["c"].set()
        await handle.result()
        for other in others:
            await other.result()
        assert probe.steps == ["c", "d", "b", "q", "q", "q"]


async def test_a_parent_that_hears_of_a_failure_overtakes_its_other_children(world, probe):
    async with world.manager(max_running=1) as m:
        handle = await m.start(Process("p", {"a": Parallel({"bad": fail, "gated": gated})}))
        with pytest.raises(ProcessFailedError, match="ValueError"):
            await handle.result()
        assert probe.steps == ["bad"]


async def test_nesting_too_deep_is_refused(world):
    async with world.manager(options=ManagerOptions(max_depth=3)) as m:
        handle = await m.start(Process("down", [recurses]), {"n": 4})
        with pytest.raises(ProcessFailedError, match="max_depth"):
            await handle.result()


async def test_the_same_process_twice_needs_keys(m):
    handle = await m.start(Process("p", [runs_twice]))
    with pytest.raises(ProcessFailedError, match="give each run a key"):
        await handle.result()


async def test_a_key_says_which_child_it_is(m):
    handle = await m.start(Process("p", [runs_keyed]))
    one, two, again = await handle.result()
    assert (one["n"], two["n"], again["n"]) == (1, 2, 1)
    assert len(await m.list(name="child")) == 2


async def runs_under_odd_names(data, ctx):
    if ctx.step == "a":
        return [
            await ctx.run(Process("b/c", {"s": grow}), {"n": 1}),
            await ctx.run(Process("key=x", {"s": grow}), {"n": 2}),
            await ctx.run(Process("y", {"s": grow}), {"n": 3}, key="x"),
        ]
    return [*data, await ctx.run(Process("c", {"s": grow}), {"n": 4})]


async def test_names_and_keys_with_odd_characters_are_not_mistaken_for_others(m):
    handle = await m.start(Process("p", {"a": runs_under_odd_names, "a/b": runs_under_odd_names}))
    assert [output["n"] for output in await handle.result()] == [1, 2, 3, 4]


@pytest.mark.parametrize("slots", [1, 3, 64])
async def test_gather_gives_the_outputs_in_order(world, slots):
    async with world.manager(max_running=slots) as m:
        handle = await m.start(Process("p", [gathers]), {"count": 10})
        assert [output["n"] for output in await handle.result()] == list(range(10))


async def test_the_failure_of_a_child_is_that_of_the_step(m):
    handle = await m.start(Process("p", {"a": runs_failing}))
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.step == "a"
    assert caught.value.error.type == "ProcessFailedError"
    assert "step 'c'" in str(caught.value)
    cause = caught.value.error.cause
    assert (cause.type, cause.message, cause.step, cause.cause) == ("ValueError", "no good", "c", None)


async def test_others_have_their_turn_while_a_gathering_of_many_is_started(memory_world, monkeypatch):
    loop, turns, starts = asyncio.get_running_loop(), 0, []
    start_child = starting.start_child

    def count_turn():
        nonlocal turns
        turns += 1
        if len(starts) < 1000:
            loop.call_soon(count_turn)

    def note_start(*args):
        starts.append(turns)
        return start_child(*args)

    monkeypatch.setattr(starting, "start_child", note_start)
    async with memory_world.manager() as m:
        count_turn()
        handle = await m.start(Process("p", [gathers]), {"count": 1000})
        assert len(await handle.result()) == 1000
    assert Counter(starts).most_common(1)[0][1] <= 200


async def test_the_first_failure_of_a_gathering_is_raised_and_the_others_end_with_the_parent(m):
    handle = await m.start(Process("p", {"a": gathers_one_bad}))
    with pytest.raises(ProcessFailedError, match="step 'c'"):
        await handle.result()
    (good,) = await m.list(name="gated-child")
    with pytest.raises(ProcessCancelledError, match="has ended"):
        await m.result(good.pid)


@pytest.mark.parametrize("turns", [0, 8])
async def test_a_child_that_is_cancelled_while_its_manager_closes_ends_there(world, caplog, turns):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": gathers_one_bad}))
        with pytest.raises(ProcessFailedError):
            await handle.result()
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_repeated_step_lets_its_failed_child_go_on(world, probe):
    probe.failures = 2
    async with world.manager() as m:
        step = Step("a", runs_often_failing, retry=Retry(attempts=3, delay=0.1))
        assert await (await m.start(Process("p", [step]), {"x": 1})).result()
        (child,) = await m.list(name="often")
        assert kinds(await history(m, child.pid)).count("ProcessRetried") == 2


async def test_a_child_that_fails_before_its_parent_looks_is_tried_only_once(m):
    handle = await m.start(Process("p", {"a": gathers_failing}))
    with pytest.raises(ProcessFailedError, match=r"step 'c' \(attempt 1\)"):
        await handle.result()
    for child in await m.list(name="failing-child"):
        assert kinds(await history(m, child.pid)).count("StepStarted") <= 1


async def test_the_key_of_a_child_that_is_tried_again_is_its_parents_own(world, probe):
    probe.failures = 2
    parent = Process("p", [Step("a", runs_often_failing_by_key, retry=Retry(attempts=2, delay=0.1))])
    async with world.manager() as m:
        first, second = await m.start(parent, {"n": 1}), await m.start(parent, {"n": 2})
        assert [await first.result(), await second.result()] == [{"n": 1}, {"n": 2}]
        other = await m.start(Process("q", [echo]), {"n": 3}, key="x")
        assert await other.result() == {"n": 3}


async def test_a_step_that_its_process_was_rewound_to_runs_its_children_again(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": Process("child", {"c": note}), "b": grow}), {"n": 1})
        await handle.result()
        await handle.rewind("a")
        await handle.result()
        assert probe.steps.count("c") == 2
        await handle.rewind("b")
        await handle.result()
        assert probe.steps.count("c") == 2
        assert len(await m.list(name="child")) == 2


async def test_after_a_rewind_a_crash_finds_the_new_children_again(world, probe):
    process = Process("p", {"a": runs_gated, "b": grow})
    async with world.manager() as m:
        probe.gates["c"].set()
        handle = await m.start(process, {"x": 1})
        await handle.result()
        probe.gates["c"], probe.reached["c"] = anyio.Event(), anyio.Event()
        await handle.rewind("a")
        await probe.reached["c"].wait()
        await m.kill()
    probe.gates["c"].set()
    async with world.manager() as m:
        await m.result(handle.pid)
        assert len(await m.list(name="gated-child")) == 2


async def test_cancelling_the_parent_cancels_the_child(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated}))
        await probe.reached["c"].wait()
        child = await child_of(m, handle)
        assert await handle.cancel(reason="enough")
        with pytest.raises(ProcessCancelledError, match="enough"):
            await handle.result()
        with pytest.raises(ProcessCancelledError, match="has ended"):
            await child.result()


async def test_a_client_cancels_a_free_parent_and_the_child_ends_too(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated}))
        await probe.reached["c"].wait()
        child = await child_of(m, handle)
        await m.kill()
    async with world.manager(run=False) as client:
        assert await client.cancel(handle.pid)
    async with world.manager() as m:
        for pid in (handle.pid, child.pid):
            with pytest.raises(ProcessCancelledError):
                await m.result(pid)


async def test_cancelling_the_child_fails_the_step(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated}))
        await probe.reached["c"].wait()
        await (await child_of(m, handle)).cancel(reason="no")
        with pytest.raises(ProcessFailedError, match="ProcessCancelledError"):
            await handle.result()


async def test_the_timeout_of_the_step_counts_while_it_waits(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": Step("a", runs_gated, timeout=2)}))
        with pytest.raises(ProcessFailedError, match="timeout of 2 s"):
            await handle.result()


async def test_after_a_kill_the_parent_finds_its_child_again(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated, "b": grow}), {"x": 1})
        await probe.reached["c"].wait()
        await m.kill()
    probe.gates["c"].set()
    async with world.manager() as m:
        output = await m.result(handle.pid)
        assert output == {"from_child": {"x": 1, "trail": ["d"]}, "trail": ["b"]}
        assert len(await m.list(name="gated-child")) == 1


async def test_after_a_kill_a_child_that_has_finished_is_not_waited_for_again(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_child_and_waits}), {"x": 1})
        await probe.reached["a"].wait()
        await m.kill()
    probe.gates["a"].set()
    async with world.manager() as m:
        assert (await m.result(handle.pid))["trail"] == ["c"]
        names = kinds(await history(m, handle.pid))
        assert (names.count("StepStarted"), names.count("ProcessWaiting")) == (2, 1)


async def test_closing_does_not_wait_for_a_parent_that_only_waits(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": runs_gated, "b": grow}), {"x": 1})
        await probe.reached["c"].wait()
        probe.gates["c"].set()
    async with world.manager() as m:
        assert (await m.result(handle.pid))["trail"] == ["b"]
        assert len(await m.list(name="gated-child")) == 1
        assert (await m.info(handle.pid)).attempt == 1


async def test_a_step_that_gives_up_waiting_goes_on_and_its_child_ends_with_the_process(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": gives_up_waiting, "b": echo}))
        assert await handle.result() == {"gave": "up"}
        (child,) = await m.list(name="gated-child")
        with pytest.raises(ProcessCancelledError):
            await m.result(child.pid)


async def test_a_thread_can_not_run_processes(m):
    handle = await m.start(Process("p", [Step("t", runs_child, executor="thread")]))
    with pytest.raises(ProcessFailedError, match="only an async step"):
        await handle.result()
