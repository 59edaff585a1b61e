"""After `kill -9`: what goes on, from where, how often, and what does not."""

from __future__ import annotations

import itertools

import anyio
import pytest

from procactors import Process, ProcessCancelledError, ProcessFailedError, Retry, Step
from procactors.testing import SimulatedStore
from tests.behaviour.history import history, kinds, only, until, until_true
from tests.behaviour.steps import echo, fail_often, gated, grow, note, sleeps

KEYS: list[str] = []


async def notes_its_key(data, ctx):
    KEYS.append(ctx.idempotency_key)
    return await gated(data, ctx)


async def killed_in(world, probe, process, step, data=None, **start):
    """Start a process and kill its manager inside a step. Return its pid."""
    async with world.manager() as m:
        handle = await m.start(process, data, **start)
        await probe.reached[step].wait()
        await m.kill()
    probe.gates[step].set()
    return handle.pid


async def test_a_process_goes_on_from_its_last_checkpoint(world, probe):
    process = Process("p", {"a": grow, "b": gated, "c": grow})
    pid = await killed_in(world, probe, process, "b", {"x": 1})
    async with world.manager() as m:
        assert await m.result(pid) == {"x": 1, "trail": ["a", "c"]}
        assert probe.calls == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]
        events = await history(m, pid)
        assert kinds(events).count("ProcessRecovered") == 1
        assert len(only(events, "StepFinished")) == 3
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        (recovered,) = only(events, "ProcessRecovered")
        assert recovered.reason


@pytest.mark.parametrize("step", list("abcd"))
async def test_a_kill_in_any_step_ends_in_the_same_output(world, probe, step):
    for other in set("abcd") - {step}:
        probe.gates[other].set()
    process = Process("p", dict.fromkeys("abcd", gated) | {"e": grow})
    pid = await killed_in(world, probe, process, step, {"x": 1})
    async with world.manager() as m:
        assert await m.result(pid) == {"x": 1, "trail": ["e"]}
        finished = [event.step for event in only(await history(m, pid), "StepFinished")]
        assert finished == list("abcde")
        assert probe.steps.count(step) == 2


async def test_after_a_kill_the_next_manager_takes_over_when_the_lease_is_over(world, probe):
    pid = await killed_in(world, probe, Process("p", {"a": gated}), "a")
    began = world.clock.wall()
    async with world.manager() as m:
        await m.result(pid)
        assert world.clock.wall() - began <= 6.05  # the lease and a second


async def test_another_manager_takes_over_while_it_runs(file_world, probe):
    async with file_world.manager() as other:
        pid = await killed_in(file_world, probe, Process("p", {"a": gated, "b": grow}), "a")
        began = file_world.clock.wall()
        assert await other.result(pid) == {"trail": ["b"]}
        assert file_world.clock.wall() - began <= 6.05  # the lease and a second


async def test_a_manager_that_was_alone_at_first_takes_over_from_one_that_came_later(file_world, probe):
    async with file_world.manager() as first:
        await file_world.clock.advance(2)
        pid = await killed_in(file_world, probe, Process("p", {"a": gated, "b": grow}), "a")
        with anyio.fail_after(20):
            assert await first.result(pid) == {"trail": ["b"]}


async def test_the_idempotency_key_is_stable_through_a_kill(world, probe):
    KEYS.clear()
    pid = await killed_in(world, probe, Process("p", {"a": notes_its_key}), "a")
    async with world.manager() as m:
        await m.result(pid)
    assert len(KEYS) == 2
    assert len(set(KEYS)) == 1


async def test_a_kill_uses_up_no_attempt_of_the_policy_but_counts_in_the_number(world, probe):
    """After `kill -9` the attempt grows."""
    process = Process("p", {"a": Step("a", gated, retry=Retry(attempts=3))})
    pid = await killed_in(world, probe, process, "a")
    async with world.manager() as m:
        await m.result(pid)
        assert probe.attempts == [1, 2]


async def test_an_at_most_once_step_is_not_run_again_after_a_kill(world, probe):
    process = Process("p", {"a": note, "b": Step("b", gated, at_most_once=True), "c": note})
    pid = await killed_in(world, probe, process, "b")
    async with world.manager() as m:
        with pytest.raises(ProcessFailedError, match=r"at.most.once") as caught:
            await m.result(pid)
        assert caught.value.step == "b"
        assert probe.steps == ["a", "b"]
        assert (await m.info(pid)).status == "failed"


async def test_an_at_most_once_step_that_was_not_begun_runs_after_a_kill(world, probe):
    process = Process("p", {"a": gated, "b": Step("b", note, at_most_once=True)})
    pid = await killed_in(world, probe, process, "a")
    async with world.manager() as m:
        await m.result(pid)
        assert probe.steps == ["a", "a", "b"]


async def test_an_at_most_once_step_runs_as_usual(m, probe):
    process = Process("p", {"a": Step("a", note, at_most_once=True)})
    await (await m.start(process)).result()
    assert probe.calls == [("a", 1)]


async def test_what_was_queued_is_still_queued_and_runs(world, probe):
    async with world.manager(max_running=1) as m:
        await m.start(Process("b", {"blocker": gated}))
        queued = [await m.start(Process("p", {"s": note}), {"n": n}) for n in range(5)]
        await probe.reached["blocker"].wait()
        await m.kill()
    probe.gates["blocker"].set()
    async with world.manager(max_running=1) as m:
        assert [(await m.result(handle.pid))["n"] for handle in queued] == list(range(5))
        assert probe.steps.count("s") == 5


async def test_a_delayed_process_comes_on_time_after_a_kill(world, probe):
    async with world.manager() as m:
        began = world.clock.wall()
        handle = await m.start(Process("p", [note]), delay=4)
        await m.kill()
    async with world.manager() as m:
        await m.result(handle.pid)
        assert 4 <= world.clock.wall() - began <= 4.2
        assert probe.calls == [("note", 1)]


async def test_a_short_backoff_survives_a_kill(world, probe):
    probe.failures = 1
    step = Step("s", fail_often, retry=Retry(attempts=2, delay=0.5, jitter=False))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step]))
        await until(m, handle.pid, "StepRetryScheduled")
        await m.kill()
    async with world.manager() as m:
        await m.result(handle.pid)
        assert len(probe.calls) == 2


async def test_a_process_that_kills_its_manager_again_and_again_is_failed(world, probe):
    limit = 5
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": note, "deadly": gated}, timeout=None))
        other = await m.start(Process("q", [note]), delay=200)
        await probe.reached["deadly"].wait()
        await m.kill()
    for _ in range(20):
        probe.reached["deadly"] = anyio.Event()
        async with world.manager() as m:
            await until_true(lambda m=m: _came_to_an_end(m, handle.pid, probe))
            if (await m.info(handle.pid)).status == "failed":
                break
            await m.kill()
    else:
        pytest.fail("it was never failed")
    assert limit - 1 <= probe.steps.count("deadly") <= limit + 1
    async with world.manager() as m:
        with pytest.raises(ProcessFailedError) as caught:
            await m.result(handle.pid)
        assert caught.value.step == "deadly"
        assert "manager" in str(caught.value) or "crash" in str(caught.value)
        assert (await m.info(other.pid)).status in {"sleeping", "finished"}


async def _came_to_an_end(m, pid, probe):
    return probe.reached["deadly"].is_set() or (await m.info(pid)).status == "failed"


async def test_a_failed_crasher_can_be_retried(world, probe):
    await test_a_process_that_kills_its_manager_again_and_again_is_failed(world, probe)
    probe.gates["deadly"].set()
    async with world.manager() as m:
        (info,) = await m.list("failed")
        await m.retry(info.pid)
        assert await m.result(info.pid) == {}


async def test_a_checkpoint_in_between_sets_the_crash_count_back(world, probe):
    """One kill in each of twenty steps is a long life, no crash loop."""
    names = [f"step {n}" for n in range(12)]
    async with world.manager() as m:
        handle = await m.start(Process("p", dict.fromkeys(names, gated), timeout=None))
        await probe.reached[names[0]].wait()
        await m.kill()
    for before, name in itertools.pairwise(names):
        probe.gates[before].set()
        async with world.manager() as m:
            await probe.reached[name].wait()
            await m.kill()
    probe.gates[names[-1]].set()
    async with world.manager() as m:
        assert await m.result(handle.pid) == {}


async def test_fifty_processes_killed_at_ten_moments_all_finish_rightly(file_world):
    process = Process("p", dict.fromkeys("abcd", sleeps) | {"e": grow}, timeout=None)
    async with file_world.manager(max_running=8) as m:
        inputs = [{"s": 0.1 + n / 100, "n": n} for n in range(50)]
        pids = [(await m.start(process, data, key=f"k{data['n']}")).pid for data in inputs]
        await m.kill()
    for n in range(10):
        async with file_world.manager(max_running=8) as m:
            await anyio.sleep(5.2 + n * 0.13)
            await m.kill()
    async with file_world.manager(max_running=8) as m:
        for n, pid in enumerate(pids):
            assert (await m.start(process, key=f"k{n}")).pid == pid
            output = await m.result(pid)
            assert (output["n"], output["trail"]) == (n, ["e"])
            events = await history(m, pid)
            assert [event.step for event in only(events, "StepFinished")] == list("abcde")
            assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_killed_manager_writes_nothing_afterwards(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": gated, "b": note}))
        await probe.reached["a"].wait()
        await m.kill()
    probe.gates["a"].set()
    async with world.manager(run=False) as client:
        await anyio.sleep(1)
        info = await client.info(handle.pid)
        assert info.status == "running"
        assert info.last_completed_step is None
        assert probe.steps == ["a"]


async def test_a_waiting_result_on_another_manager_outlives_the_kill(file_world, probe):
    async with file_world.manager(max_running=1) as other:
        busy = await other.start(Process("b", {"busy": gated}))
        await probe.reached["busy"].wait()
        outputs = []

        async def wait(pid):
            outputs.append(await other.result(pid))

        async with anyio.create_task_group() as tasks:
            async with file_world.manager() as m:
                handle = await m.start(Process("p", {"a": gated, "b": echo}), {"x": 1})
                tasks.start_soon(wait, handle.pid)
                await probe.reached["a"].wait()
                await m.kill()
            probe.gates["a"].set()
            probe.gates["busy"].set()
        assert outputs == [{"x": 1}]
        await busy.result()


async def test_a_cancel_that_outlived_its_manager_does_not_come_again(memory_world, probe):
    process = Process("p", {"a": gated, "b": note})
    first = memory_world.manager(store=SimulatedStore(memory_world.memory))
    await first.open()
    handle = await first.start(process)
    await probe.reached["a"].wait()
    first.store.fail(1000)  # it hears of the cancel, and can't obey any more
    async with memory_world.manager(run=False) as client:
        assert await client.cancel(handle.pid)
        await first.kill()
    probe.gates["a"].set()
    async with memory_world.manager() as m:
        with pytest.raises(ProcessCancelledError):
            await m.result(handle.pid)
        await m.rewind(handle.pid, "a")
        assert await m.result(handle.pid) == {}
