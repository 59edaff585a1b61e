"""Cancelling a process, at every moment of its life."""

from __future__ import annotations

import anyio
import pytest

from procactors import (
    ManagerOptions,
    Process,
    ProcessCancelledError,
    ProcessEndedError,
    ProcessFailedError,
    Retry,
    Step,
    UnknownProcessError,
)
from procactors.testing import SimulatedStore
from tests.behaviour.history import history, kinds, only, until
from tests.behaviour.steps import (
    come_later,
    echo,
    fail,
    fail_often,
    forever,
    gated,
    note,
    sleeps,
    slow_to_end,
)
from tests.behaviour.test_timeouts import answers_a_cancel_with_an_error, answers_a_cancel_with_an_output


async def cancels_its_own_process(data, ctx):
    ctx.services["probe"].note(data, ctx)
    ctx.services["probe"].seen.append(await ctx.services["manager"][0].cancel(ctx.pid, reason="by itself"))
    await anyio.sleep(100)
    return data


async def cancelled(handle, reason=None):
    """Wait for the end of a process that must be cancelled, and check how it tells so."""
    with pytest.raises(ProcessCancelledError) as caught:
        await handle.result()
    assert caught.value.pid == handle.pid
    info = await handle.info()
    assert info.status == "cancelled"
    assert info.owner is None
    assert info.ended_at is not None
    assert info.deadline_at is None
    assert info.due_at is None
    assert info.output is None
    if reason is not None:
        assert info.reason == reason
        assert reason in str(caught.value)
    return info


async def test_a_running_coroutine_is_cancelled_at_once(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": echo, "b": gated, "c": note}), {"x": 1})
        await probe.reached["b"].wait()
        began = world.clock.wall()
        assert await handle.cancel(reason="no more") is True
        info = await cancelled(handle, "no more")
        assert world.clock.wall() - began < 0.2
        assert probe.cleaned == ["b"]
        assert probe.steps == ["b"]
        assert info.last_completed_step == "a"
        events = await history(m, handle.pid)
        assert kinds(events)[-1] == "ProcessCancelled"
        assert events[-1].reason == "no more"
        assert "ProcessFinished" not in kinds(events)


async def test_a_queued_process_is_cancelled_and_never_starts(world, probe):
    async with world.manager(max_running=1) as m:
        blocker = await m.start(Process("b", {"blocker": gated}))
        await probe.reached["blocker"].wait()
        handle = await m.start(Process("p", [note]))
        assert (await handle.info()).status == "queued"
        assert await handle.cancel(reason="too late")
        info = await cancelled(handle, "too late")
        assert info.started_at is None
        probe.gates["blocker"].set()
        await blocker.result()
        await world.clock.settle()
        assert probe.steps == ["blocker"]


async def test_a_delayed_process_is_cancelled_and_never_starts(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", [note]), delay=3)
        assert await handle.cancel()
        await cancelled(handle)
        await world.clock.advance(5)
        assert probe.calls == []


@pytest.mark.parametrize("delay", [0.4, 5])
async def test_a_process_that_sleeps_before_a_retry_is_cancelled(world, probe, delay):
    probe.failures = 9
    step = Step("s", fail_often, retry=Retry(attempts=5, delay=delay, jitter=False))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step]))
        await until(m, handle.pid, "StepRetryScheduled")
        assert await handle.cancel(reason="x")
        await cancelled(handle, "x")
        await world.clock.advance(6)
        assert probe.attempts == [1]


async def test_a_process_that_was_told_to_come_later_is_cancelled(world, probe):
    probe.failures = 9
    async with world.manager() as m:
        handle = await m.start(Process("p", {"s": come_later}), {"s": 5})
        await until(m, handle.pid, "StepRetryScheduled")
        assert await handle.cancel()
        await cancelled(handle)


async def test_while_its_step_ends_the_process_is_cancelling(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        assert await handle.cancel(reason="first")
        await world.clock.advance(1)
        info = await handle.info()
        assert info.status == "cancelling"
        assert info.owner == m.name
        assert await handle.cancel(reason="second") is True
        probe.gates["a"].set()
        await cancelled(handle, "first")
        assert kinds(await history(m, handle.pid)).count("ProcessCancelled") == 1


async def test_a_subscriber_hears_of_the_request_while_the_step_ends(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        assert await handle.cancel(reason="x")
        with anyio.fail_after(2):
            events = await until(m, handle.pid, "ProcessCancelRequested")
        assert events[-1].reason == "x"
        probe.gates["a"].set()
        await cancelled(handle, "x")


async def test_a_step_that_ignores_its_end_is_abandoned_after_the_grace(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=3)) as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        began = world.clock.wall()
        await handle.cancel()
        await cancelled(handle)
        assert 3 <= world.clock.wall() - began <= 3.3
        probe.gates["a"].set()
        await world.clock.settle()
        assert (await handle.info()).status == "cancelled"
        assert probe.steps == ["a"]


@pytest.mark.parametrize("call", [answers_a_cancel_with_an_output, answers_a_cancel_with_an_error])
async def test_what_a_step_does_on_its_way_out_does_not_change_the_end(m, probe, call):
    handle = await m.start(Process("p", {"a": call, "b": note}))
    await until(m, handle.pid, "StepStarted")
    await anyio.sleep(0.2)
    assert probe.steps == ["a"]
    assert await handle.cancel()
    await cancelled(handle)
    assert probe.steps == ["a"]


async def test_an_ended_process_can_not_be_cancelled(m):
    finished = await m.start(Process("p", [echo]), {"x": 1})
    await finished.result()
    failed = await m.start(Process("p", [fail]))
    with pytest.raises(ProcessFailedError):
        await failed.result()
    gone = await m.start(Process("p", [forever]))
    await gone.cancel(reason="first")
    await cancelled(gone)
    for handle in (finished, failed, gone):
        before = await handle.info()
        assert await handle.cancel(reason="late") is False
        assert await handle.info() == before
    assert await finished.result() == {"x": 1}


async def test_an_unknown_process_can_not_be_cancelled(m):
    with pytest.raises(UnknownProcessError):
        await m.cancel("0" * 32)


async def test_twenty_cancels_at_once_are_one(m, probe):
    handle = await m.start(Process("p", [gated]))
    await probe.reached["gated"].wait()
    answers = []

    async def cancel():
        answers.append(await handle.cancel(reason="x"))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(cancel)
    await cancelled(handle, "x")
    events = await history(m, handle.pid)
    assert kinds(events).count("ProcessCancelled") == 1
    assert kinds(events).count("ProcessCancelRequested") <= 1
    assert any(answers)


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_cancel_is_true_exactly_when_the_process_ends_cancelled(memory_world, probe, turns):
    """Some of these meet the process before its start, some between steps, some after its end."""
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", dict.fromkeys("abcdef", note)))
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        answer = await handle.cancel()
        try:
            await handle.result()
        except ProcessCancelledError:
            assert answer is True
        else:
            assert answer is False
        events = await history(m, handle.pid)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        requested = [event.seq for event in only(events, "ProcessCancelRequested")]
        started = [event.seq for event in only(events, "StepStarted")]
        assert not requested or max(started, default=0) < requested[0]


async def test_a_hundred_processes_cancelled_at_random_moments_of_a_file(file_world):
    async with file_world.manager(max_running=10) as m:
        process = Process("p", {"a": sleeps, "b": echo, "c": sleeps})
        handles = [await m.start(process, {"s": n / 100}) for n in range(100)]
        answers = {}

        async def cancel(n, handle):
            await anyio.sleep(n * 7 % 100 / 50)
            answers[handle.pid] = await handle.cancel()

        async with anyio.create_task_group() as tasks:
            for n, handle in enumerate(handles):
                tasks.start_soon(cancel, n, handle)
        for handle in handles:
            try:
                await handle.result()
                assert answers[handle.pid] is False
            except ProcessEndedError:
                assert answers[handle.pid] is True


async def test_a_step_may_cancel_its_own_process(world, probe):
    managers = []
    async with world.manager(services={"manager": managers}) as m:
        managers.append(m)
        handle = await m.start(Process("p", {"a": cancels_its_own_process, "b": note}))
        await cancelled(handle, "by itself")
        assert probe.steps == ["a"]


async def test_a_client_cancels_what_another_manager_runs(file_world, probe):
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        handle = await m.start(Process("p", {"a": gated, "b": note}))
        await probe.reached["a"].wait()
        assert await client.cancel(handle.pid, reason="from afar") is True
        with pytest.raises(ProcessCancelledError, match="from afar"):
            await client.result(handle.pid)
        assert probe.cleaned == ["a"]
        assert await client.cancel(handle.pid) is False


async def test_a_manager_that_waits_for_its_steps_to_close_hears_of_a_cancel(file_world, probe, caplog):
    patient = ManagerOptions(grace_s=3600)  # while threads work, virtual seconds pass
    async with file_world.manager(run=False) as client:
        async with anyio.create_task_group() as tasks, file_world.manager(options=patient) as m:
            handle = await m.start(Process("p", {"a": gated, "b": note}))
            await probe.reached["a"].wait()
            began = file_world.clock.wall()
            tasks.start_soon(_cancel_in_a_second, client, handle.pid)
        assert file_world.clock.wall() - began < 1800
        await cancelled(client.handle(handle.pid), "too late")
        assert probe.cleaned == ["a"]
    assert not caplog.records


async def _cancel_in_a_second(client, pid):
    await anyio.sleep(1)
    assert await client.cancel(pid, reason="too late") is True


async def test_a_client_cancels_while_no_manager_runs(world, probe):
    async with world.manager() as m:
        free = await m.start(Process("p", [note]), delay=1)
        owned = await m.start(Process("p", {"a": gated, "b": note}))
        await probe.reached["a"].wait()
        await m.kill()
    async with world.manager(run=False) as client:
        assert await client.cancel(free.pid, reason="x") is True
        assert (await client.info(free.pid)).status == "cancelled"
        assert await client.cancel(owned.pid, reason="y") is True
    probe.gates["a"].set()
    async with world.manager() as m:
        with pytest.raises(ProcessCancelledError, match="y"):
            await m.result(owned.pid)
        assert probe.steps == ["a"]


async def test_a_process_that_was_killed_while_cancelling_ends_cancelled(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        await handle.cancel(reason="x")
        await world.clock.advance(0.5)
        probe.gates["a"].set()
        await m.kill()
    async with world.manager() as m:
        with pytest.raises(ProcessCancelledError, match="x"):
            await m.result(handle.pid)
        assert probe.steps == ["a"]


async def test_a_cancelled_process_frees_its_slot(world, probe):
    async with world.manager(max_running=1) as m:
        first = await m.start(Process("p", [forever]))
        second = await m.start(Process("q", [echo]), {"x": 1})
        await probe.reached["forever"].wait()
        await first.cancel()
        assert await second.result() == {"x": 1}


async def test_a_step_that_is_abandoned_while_its_cancel_is_still_being_stored_leaves_one_end(
    memory_world, caplog
):
    options = ManagerOptions(grace_s=3)
    store = SimulatedStore(memory_world.memory)
    async with memory_world.manager(store=store, options=options) as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        store.delay(10)
        assert await handle.cancel(reason="x")
        await cancelled(handle, "x")
        assert kinds(await history(m, handle.pid))[-2:] == ["ProcessCancelRequested", "ProcessCancelled"]
        store.delay(0)
        memory_world.probe.gates["a"].set()
    assert "failed" not in caplog.text


async def test_a_deadline_that_passes_while_a_cancelled_step_cleans_up_changes_nothing(world, caplog):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}, timeout=5))
        await world.probe.reached["a"].wait()
        await world.clock.advance(4)
        assert await handle.cancel(reason="x")
        await world.clock.advance(2)
        world.probe.gates["a"].set()
        await cancelled(handle, "x")
    assert "failed" not in caplog.text
