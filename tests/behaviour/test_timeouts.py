"""Timeouts of processes and steps, heartbeats, and what ignores them."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from procactors import (
    InvalidDefinitionError,
    ManagerOptions,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Step,
)
from tests.behaviour.history import history, kinds, only
from tests.behaviour.steps import echo, forever, gated, note, sleeps, slow_to_end


async def beats(data, ctx):
    """Work for 10 s, with a sign of life every `data["every"]` seconds for the first `data["for"]`."""
    ctx.services["probe"].note(data, ctx)
    began = anyio.current_time()
    while anyio.current_time() - began < 10:
        await anyio.sleep(data["every"])
        if anyio.current_time() - began <= data["for"]:
            ctx.heartbeat()
    return data


async def beats_for_long(data, ctx):
    for _ in range(3000):
        await anyio.sleep(0.9)
        ctx.heartbeat()
    return data


async def progresses(data, ctx):
    for n in range(10):
        await anyio.sleep(1)
        ctx.progress(n, 10)
    return data


async def answers_a_cancel_with_an_output(data, ctx):
    ctx.services["probe"].note(data, ctx)
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        return {"saved": True}


async def answers_a_cancel_with_an_error(data, ctx):
    ctx.services["probe"].note(data, ctx)
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        raise ValueError("while cleaning up") from None


async def test_a_process_that_works_too_long_times_out(world, probe):
    async with world.manager() as m:
        began = world.clock.wall()
        handle = await m.start(Process("p", {"a": forever, "b": note}, timeout=5))
        with pytest.raises(ProcessTimedOutError) as caught:
            await handle.result()
        assert 5 <= world.clock.wall() - began <= 5.2
        assert caught.value.pid == handle.pid
        info = await handle.info()
        assert info.status == "timed_out"
        assert info.ended_at - info.started_at >= timedelta(seconds=5)
        assert info.error.step == "a"
        assert probe.steps == ["a"]
        events = await history(m, handle.pid)
        assert kinds(events)[-1] == "ProcessTimedOut"


async def test_the_timeout_is_over_all_steps_together(world, probe):
    process = Process("p", dict.fromkeys("abcdef", sleeps), timeout=5)
    async with world.manager() as m:
        handle = await m.start(process, {"s": 2})
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert probe.steps == ["a", "b", "c"]
        assert (await handle.info()).last_completed_step == "b"


async def test_just_in_time_is_in_time(world):
    async with world.manager() as m:
        assert await (await m.start(Process("p", [sleeps], timeout=5), {"s": 4.9})).result() == {"s": 4.9}


async def test_a_minute_is_the_default(memory_world):
    async with memory_world.manager() as m:
        assert Process("p", [echo]).timeout == 60
        assert await (await m.start(Process("p", [sleeps]), {"s": 59})).result()
        with pytest.raises(ProcessTimedOutError):
            await (await m.start(Process("p", [sleeps]), {"s": 61})).result()


async def test_a_process_may_have_no_timeout(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", [sleeps], timeout=None), {"s": 1_000_000})
        await memory_world.clock.settle()
        assert (await handle.info()).deadline_at is None
        assert await handle.result() == {"s": 1_000_000}


async def test_the_first_queueing_does_not_count(world, probe):
    async with world.manager(max_running=1) as m:
        blocker = await m.start(Process("b", {"blocker": gated}))
        waiting = await m.start(Process("p", {"s": sleeps}, timeout=1), {"s": 0.5})
        await world.clock.advance(5)
        assert (await waiting.info()).status == "queued"
        assert (await waiting.info()).deadline_at is None
        probe.gates["blocker"].set()
        await blocker.result()
        assert await waiting.result() == {"s": 0.5}


async def test_a_step_that_runs_too_long_fails_its_attempt(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": Step("a", forever, timeout=2), "b": note}))
        with pytest.raises(ProcessFailedError) as caught:
            await handle.result()
        assert caught.value.step == "a"
        info = await handle.info()
        assert info.status == "failed"
        assert "Timeout" in info.error.type or "timeout" in info.error.message.lower()
        assert "2" in info.error.message
        assert probe.steps == ["a"]


async def test_a_steps_timeout_is_for_each_attempt(world, probe):
    step = Step("s", sleeps, timeout=2, retry=Retry(attempts=3, delay=1, jitter=False))
    async with world.manager() as m:
        began = world.clock.wall()
        handle = await m.start(Process("p", [step]), {"s": 3})
        with pytest.raises(ProcessFailedError):
            await handle.result()
        assert probe.attempts == [1, 2, 3]
        assert 9 <= world.clock.wall() - began <= 9.5
        assert len(only(await history(m, handle.pid), "StepFailed")) == 3


async def test_a_steps_timeout_can_be_retried_by_its_name(m, probe):
    step = Step("s", sleeps, timeout=0.5, retry=Retry(attempts=2, delay=0.1, on=("TimeoutError",)))
    handle = await m.start(Process("p", [step]), {"s": 3})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert probe.attempts == [1, 2]


async def test_the_deadline_of_the_process_comes_before_that_of_the_step(world):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"s": Step("s", forever, timeout=5)}, timeout=2))
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        handle = await m.start(Process("p", {"s": Step("s", forever, timeout=2)}, timeout=5))
        with pytest.raises(ProcessFailedError):
            await handle.result()


async def test_a_step_that_keeps_its_promise_of_heartbeats_runs_on(world):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"s": Step("s", beats, heartbeat=2)}), {"every": 1, "for": 10})
        assert await handle.result() == {"every": 1, "for": 10}


async def test_progress_is_a_sign_of_life(world):
    async with world.manager() as m:
        assert await (await m.start(Process("p", {"s": Step("s", progresses, heartbeat=2)}))).result() == {}


async def test_a_step_may_give_any_number_of_heartbeats(memory_world):
    async with memory_world.manager() as m:
        step = Step("s", beats_for_long, heartbeat=1)
        assert await (await m.start(Process("p", [step], timeout=None))).result() == {}
        assert [row.name for row in m.tree() if row.restarts] == []


@pytest.mark.parametrize(("every", "until"), [(1, 4), (3, 10), (20, 10)])
async def test_a_step_whose_heartbeats_stop_is_failed(world, probe, every, until):
    step = Step("s", beats, heartbeat=2, retry=Retry(attempts=2, delay=0.1))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step]), {"every": every, "for": until})
        with pytest.raises(ProcessFailedError, match="heartbeat"):
            await handle.result()
        assert probe.attempts == [1, 2]
        assert (await handle.info()).status == "failed"


async def test_a_step_that_needs_time_to_end_gets_it(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": slow_to_end}, timeout=2))
        await world.clock.advance(6)
        probe.gates["a"].set()
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert probe.cleaned == ["a"]
        assert not (await handle.info()).error.abandoned


async def test_a_step_that_does_not_end_is_abandoned_after_the_grace(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=3)) as m:
        began = world.clock.wall()
        handle = await m.start(Process("p", {"a": slow_to_end}, timeout=2))
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert 5 <= world.clock.wall() - began <= 5.3
        assert (await handle.info()).error.abandoned
        assert await (await m.start(Process("q", [echo]), {"x": 1})).result() == {"x": 1}
        probe.gates["a"].set()
        await world.clock.settle()
        assert (await handle.info()).status == "timed_out"


@pytest.mark.parametrize("call", [answers_a_cancel_with_an_output, answers_a_cancel_with_an_error])
async def test_what_a_step_does_after_the_deadline_does_not_change_the_end(m, call):
    handle = await m.start(Process("p", {"a": call, "b": note}, timeout=2))
    with pytest.raises(ProcessTimedOutError):
        await handle.result()
    assert (await handle.info()).status == "timed_out"
    handle = await m.start(Process("p", {"a": Step("a", call, timeout=1), "b": note}))
    with pytest.raises(ProcessFailedError):
        await handle.result()


async def test_a_deadline_passes_while_no_manager_runs(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": gated, "b": note}, timeout=20))
        await probe.reached["a"].wait()
        await m.kill()
    world.clock._now += 60
    async with world.manager() as m:
        with pytest.raises(ProcessTimedOutError):
            await m.result(handle.pid)
        assert probe.steps == ["a"]


async def test_the_time_after_a_crash_counts(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": sleeps}, timeout=20), {"s": 4})
        await world.clock.advance(1)
        deadline = (await handle.info()).deadline_at
        await m.kill()
    world.clock._now += 10
    async with world.manager() as m:
        await world.clock.advance(1)
        assert (await m.info(handle.pid)).deadline_at == deadline
        assert await m.result(handle.pid) == {"s": 4}


async def test_the_time_after_a_graceful_shutdown_does_not_count(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", {"a": gated}, timeout=20))
        await probe.reached["a"].wait()
        await world.clock.advance(5)
    assert probe.cleaned == ["a"]
    world.clock._now += 100
    async with world.manager() as m:
        await world.clock.advance(1)
        info = await m.info(handle.pid)
        assert info.status == "running"
        left = info.deadline_at.timestamp() - world.clock.wall()
        assert 12.5 <= left <= 15
        probe.gates["a"].set()
        await m.result(handle.pid)


async def test_two_hundred_timeouts_at_one_moment(memory_world):
    async with memory_world.manager(max_running=500) as m:
        handles = [await m.start(Process("p", [forever], timeout=30)) for _ in range(200)]
        for handle in handles:
            with pytest.raises(ProcessTimedOutError):
                await handle.result()
        assert (await m.counts())["timed_out"] == 200


@pytest.mark.parametrize("time", [0, -1, float("nan"), float("inf"), "soon"])
@pytest.mark.parametrize("field", ["timeout", "heartbeat"])
def test_a_time_that_is_none_is_refused_at_construction(time, field):
    with pytest.raises(InvalidDefinitionError, match=field):
        Step("s", echo, **{field: time})
    if field == "timeout":
        with pytest.raises(InvalidDefinitionError, match=field):
            Process("p", [echo], timeout=time)


@pytest.mark.parametrize(("field", "problem"), [("timeout", "timeout of 2 s"), ("heartbeat", "no heartbeat")])
async def test_an_attempt_that_does_not_end_is_abandoned_and_fails(world, probe, field, problem):
    step = Step("a", slow_to_end, retry=Retry(attempts=2, delay=0.1), **{field: 2})
    async with world.manager(options=ManagerOptions(grace_s=3)) as m:
        handle = await m.start(Process("p", [step]))
        with pytest.raises(ProcessFailedError, match=problem):
            await handle.result()
        assert probe.attempts == [1, 2]
        assert (await handle.info()).error.abandoned
