"""What steps defer: PRESEND before the checkpoint, durable updates with it, POSTSEND after it."""

from __future__ import annotations

import logging
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from procactors import (
    Interrupt,
    Process,
    ProcessEndedError,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Step,
    run_steps,
    step,
)
from procactors.deferred import CallableUpdate, EnqueueableUpdate, Stage, current_updates, defer
from procactors.errors import NoDeferredScopeError
from tests.behaviour.history import history, kinds, only, until, until_true
from tests.behaviour.steps import echo, gated, note

LOG = []
MANAGERS = []


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    MANAGERS.clear()
    return LOG


async def completed(pid):
    """Write down which step the process has completed last."""
    LOG.append((await MANAGERS[0].info(pid)).last_completed_step)


async def defers_both(data, ctx):
    ctx.defer(completed, ctx.pid)
    ctx.defer(completed, ctx.pid, stage=Stage.PRESEND)
    return data


def defers_in_thread(data, ctx):
    defer(LOG.append, "by defer")
    ctx.defer(LOG.append, "by ctx.defer")
    return data


async def logs(data, ctx):
    LOG.append(ctx.step)
    return data


async def interrupts(data, ctx):
    ctx.defer(LOG.append, "post")
    ctx.defer(divide, 0)
    return Interrupt(data)


async def defers_and_fails(data, ctx):
    LOG.append(ctx.attempt)
    ctx.defer(LOG.append, "pre", stage=Stage.PRESEND)
    ctx.defer(LOG.append, "post")
    ctx.defer(LOG.append, "always", always=True)
    if ctx.attempt < data["attempts"]:
        raise ValueError("not yet")
    return data


def divide(number):
    LOG.append("divide")
    return 1 / number


async def defers_failures(data, ctx):
    ctx.defer(divide, 0, stage=Stage.PRESEND)
    ctx.defer(divide, 0)
    ctx.defer(LOG.append, "sibling")
    return data


@step
async def durably(text, number):
    LOG.append((text, number))


async def defers_durably(data, ctx):
    ctx.defer(durably, "kept", 1, durable=True)
    ctx.defer(durably, "kept", 2, durable=True, stage=Stage.PRESEND)
    return data


async def defers_durably_and_fails(data, ctx):
    ctx.defer(durably, "kept", 1, durable=True)
    raise ValueError


async def defers_durable_nonsense(data, ctx):
    ctx.defer(lambda: None, durable=True)
    LOG.append("not reached")
    return data


async def defers_what_becomes_nonsense(data, ctx):
    numbers = [1]
    ctx.defer(durably, "kept", numbers, durable=True)
    numbers.append(object())
    return data


async def defers_and_returns_when_its_time_is_up(data, ctx):
    ctx.defer(LOG.append, "post")
    ctx.defer(LOG.append, "always", always=True)
    ctx.defer(durably, "kept", 1, durable=True)
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        return data  # as a step that ends at the very moment of its deadline


async def waits(name, ctx):
    LOG.append("began")
    ctx.services["probe"].reached[name].set()
    await ctx.services["probe"].gates[name].wait()
    LOG.append(name)


async def defers_sleep(data, ctx):
    ctx.defer(anyio.sleep, 5)
    return data


async def defers_waiting(data, ctx):
    ctx.defer(waits, "update", ctx, stage=Stage[data.get("stage", "POSTSEND")])
    return data


class Enqueueable(EnqueueableUpdate):
    def run(self):
        raise TimeoutError("busy")

    def as_process(self):
        return Process("instead", [logs]), {}


async def adds_enqueueable(data):
    current_updates().add(Enqueueable(), Stage.PRESEND)
    return data


async def leaves_a_task(data, ctx):
    LOG.append(ctx)
    return data


async def holds(condition):
    return condition


async def test_presend_runs_before_the_checkpoint_and_postsend_after_it(m, log):
    MANAGERS.append(m)
    handle = await m.start(Process("p", {"a": defers_both, "b": logs}))
    await handle.result()
    assert log == [None, "a", "b"]


async def test_postsend_of_the_last_step_is_over_when_the_process_ends(m, log):
    MANAGERS.append(m)
    handle = await m.start(Process("p", {"a": defers_both}), {"x": 1})
    assert await handle.result() == {"x": 1}
    assert log == [None, "a"]
    assert kinds(await history(m, handle.pid))[-3:] == ["StepStarted", "StepFinished", "ProcessFinished"]


async def test_steps_in_threads_defer_in_both_ways(m, log):
    await (await m.start(Process("p", [defers_in_thread, logs]))).result()
    assert log == ["by defer", "by ctx.defer", "logs"]


async def test_failures_are_events_and_fail_nothing(m, log, caplog):
    handle = await m.start(Process("p", {"a": defers_failures, "b": echo}), {"x": 1})
    assert await handle.result() == {"x": 1}
    assert log == ["divide", "divide", "sibling"]
    events = await history(m, handle.pid)
    assert kinds(events) == [
        "ProcessQueued", "ProcessStarted", "StepStarted", "DeferredUpdateFailed", "StepFinished",
        "DeferredUpdateFailed", "StepStarted", "StepFinished", "ProcessFinished",
    ]  # fmt: skip
    for failure in only(events, "DeferredUpdateFailed"):
        assert (failure.step, failure.attempt, failure.error.type) == ("a", 1, "ZeroDivisionError")
        assert "test_deferral.py" in failure.origin
        assert "defers_failures" in failure.origin
    assert caplog.text.count("divide (deferred by") == 2
    assert (await handle.info()).error is None


async def test_failures_of_the_last_step_are_in_the_history_before_its_end(m):
    handle = await m.start(Process("p", [defers_failures]))
    await handle.result()
    assert kinds(await history(m, handle.pid))[-4:] == [
        "DeferredUpdateFailed", "StepFinished", "DeferredUpdateFailed", "ProcessFinished",
    ]  # fmt: skip


async def test_failed_attempt_drops_what_it_deferred_and_the_next_one_defers_anew(m, log, caplog):
    plan = Process("p", [Step("a", defers_and_fails, retry=Retry(attempts=2, delay=1))])
    await (await m.start(plan, {"attempts": 2})).result()
    assert log == [1, "always", 2, "pre", "post", "always"]
    assert caplog.text.count("its step did not return") == 2


async def test_step_that_fails_for_good_runs_only_what_always_runs(m, log):
    handle = await m.start(Process("p", [defers_and_fails]), {"attempts": 2})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    await until_true(lambda: holds("always" in log))
    assert log == [1, "always"]


async def test_output_that_cannot_be_stored_drops_what_was_deferred(m, log):
    handle = await m.start(Process("p", [defers_and_returns_nonsense]))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert log == ["pre"]
    assert (await m.list(name="deferred update")) == []


async def defers_and_returns_nonsense(_data, ctx):
    ctx.defer(LOG.append, "pre", stage=Stage.PRESEND)
    ctx.defer(LOG.append, "post")
    ctx.defer(durably, "kept", 1, durable=True)
    return object()


class TestInterrupts:
    async def test_postsend_runs_after_the_checkpoint_of_a_step_that_interrupts(self, m, log):
        handle = await m.start(Process("p", {"a": interrupts, "b": logs}))
        events = await until(m, handle.pid, "DeferredUpdateFailed")
        assert kinds(events)[-3:] == ["StepFinished", "ProcessInterrupted", "DeferredUpdateFailed"]
        assert log == ["post", "divide"]
        assert (await handle.info()).status == "interrupted"
        await handle.proceed({"y": 1})
        assert await handle.result() == {"y": 1}
        assert log == ["post", "divide", "b"]

    async def test_question_is_not_lost_by_a_failure_that_is_noted_behind_it(self, m):
        handle = await m.start(Process("p", {"a": interrupts}), {"x": 1})
        await until(m, handle.pid, "DeferredUpdateFailed")
        info = await handle.info()
        assert (info.interrupt.step, info.interrupt.data) == ("a", {"x": 1})


class TestDurable:
    async def test_rows_come_with_the_checkpoint_and_run_as_processes(self, m, log):
        handle = await m.start(Process("p", {"a": defers_durably, "b": echo}))
        await handle.result()
        rows = await m.list(name="deferred update")
        assert len(rows) == 2
        for row in rows:
            await m.result(row.pid)
        assert sorted(log) == [("kept", 1), ("kept", 2)]

    async def test_failed_step_leaves_no_row(self, m, log):
        handle = await m.start(Process("p", [defers_durably_and_fails]))
        with pytest.raises(ProcessFailedError):
            await handle.result()
        assert await m.list(name="deferred update") == []

    async def test_step_that_returns_when_its_process_times_out_drops_what_it_deferred(self, m, log, caplog):
        handle = await m.start(Process("p", [defers_and_returns_when_its_time_is_up], timeout=5))
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        await until_true(lambda: holds("always" in log))
        assert log == ["always"]
        assert await m.list(name="deferred update") == []
        assert "its process ran into its timeout as the step returned" in caplog.text

    async def test_what_cannot_be_durable_is_refused_where_the_step_defers_it(self, m, log):
        handle = await m.start(Process("p", [defers_durable_nonsense]))
        with pytest.raises(ProcessFailedError, match="lambda") as caught:
            await handle.result()
        assert "in defers_durable_nonsense" in caught.value.error.traceback
        assert log == []

    async def test_what_can_no_longer_be_durable_fails_the_step(self, m, log):
        handle = await m.start(Process("p", [defers_what_becomes_nonsense]))
        with pytest.raises(ProcessFailedError, match="not JSON-able"):
            await handle.result()
        assert await m.list(name="deferred update") == []

    async def test_checkpoint_that_is_refused_brings_nothing(self, world, log, probe):
        """A cancel that was committed before the step's end wins, and yet the step has finished."""
        async with world.manager() as m:
            handle = await m.start(Process("p", {"a": defers_durably_late, "b": echo}))
            await probe.reached["a"].wait()
            await handle.cancel()
            with pytest.raises(Exception, match="cancelled"):
                await handle.result()
            assert await m.list(name="deferred update") == []


async def defers_durably_late(data, ctx):
    ctx.defer(durably, "kept", 1, durable=True)
    return await gated(data, ctx)


async def undo_defers(data, ctx):
    ctx.defer(LOG.append, "post")
    ctx.defer(divide, 0, stage=Stage.PRESEND)
    ctx.defer(durably, "kept", 1, durable=True)


async def fails(_data):
    raise ValueError


async def test_postsend_that_ends_at_the_moment_of_the_deadline_harms_nobody(m, log):
    process = Process("p", {"a": defers_sleep, "b": logs}, timeout=5)
    handle = await m.start(process)
    with suppress(ProcessEndedError):
        await handle.result()
    assert kinds(await history(m, handle.pid)).count("ProcessRecovered") == 0


async def test_compensation_defers_like_a_step(m, log):
    handle = await m.start(Process("p", [Step("a", echo, undo=undo_defers), Step("b", fails)]))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert "DeferredUpdateFailed" in kinds(await history(m, handle.pid))
    (row,) = await m.list(name="deferred update")
    await m.result(row.pid)
    await until_true(lambda: holds("post" in log))
    assert sorted(map(str, log)) == ["('kept', 1)", "divide", "post"]


class TestManager:
    async def test_enqueueable_update_that_fails_becomes_a_process(self, m, log):
        await (await m.start(Process("p", [adds_enqueueable]))).result()
        (instead,) = await m.list(name="instead")
        await m.result(instead.pid)
        assert log == ["logs"]

    async def test_kept_update_is_found_after_the_manager_is_gone(self, world, log):
        async with world.manager(run=False) as client:
            await client.keep_update(CallableUpdate(durably, "kept", 3))
        async with world.manager() as m:
            (row,) = await m.list(name="deferred update")
            await m.result(row.pid)
        assert log == [("kept", 3)]


class TestUrgency:
    async def test_cancel_does_not_wait_for_postsend_which_goes_on(self, m, log, probe):
        handle = await m.start(Process("p", {"a": defers_waiting, "b": note}))
        await probe.reached["update"].wait()
        assert await handle.cancel()
        with pytest.raises(Exception, match="cancelled"):
            await handle.result()
        assert log == ["began"]
        probe.gates["update"].set()
        await until_true(lambda: holds(log == ["began", "update"]))
        assert probe.steps == []

    async def test_cancel_cuts_presend_off(self, m, log, probe, caplog):
        handle = await m.start(Process("p", {"a": defers_waiting, "b": note}), {"stage": "PRESEND"})
        await probe.reached["update"].wait()
        assert await handle.cancel()
        with pytest.raises(Exception, match="cancelled"):
            await handle.result()
        assert log == ["began"]
        assert "is cut off" in caplog.text

    async def test_process_whose_steps_are_all_done_does_not_time_out_over_postsend(self, world, log, probe):
        async with world.manager() as m:
            handle = await m.start(Process("p", {"a": defers_waiting}, timeout=5), {"x": 1})
            assert await handle.result() == {"x": 1}
            probe.gates["update"].set()
        assert log == ["began", "update"]

    async def test_process_with_steps_left_times_out_as_ever(self, m, probe):
        handle = await m.start(Process("p", {"a": defers_waiting, "b": note}, timeout=5))
        with pytest.raises(Exception, match="timeout"):
            await handle.result()
        assert probe.steps == []

    async def test_step_timeout_counts_presend_but_not_postsend(self, m, probe, log):
        plan = Process("p", [Step("a", defers_waiting, timeout=2)])
        handle = await m.start(plan, {"stage": "PRESEND"})
        with pytest.raises(ProcessFailedError, match="timeout"):
            await handle.result()
        handle = await m.start(plan, {})
        await anyio.sleep(5)
        probe.gates["update"].set()
        await handle.result()

    async def test_closing_waits_for_postsend(self, world, log, probe):
        async with world.manager() as m:
            await m.start(Process("p", {"a": defers_waiting, "b": note}))
            await probe.reached["update"].wait()
            probe.gates["update"].set()
        assert log == ["began", "update"]

    async def test_what_closing_cuts_off_is_logged_and_the_process_goes_on_elsewhere(
        self, world, log, probe, caplog
    ):
        async with world.manager() as m:
            handle = await m.start(Process("p", {"a": defers_waiting, "b": note}), {"x": 1})
            await probe.reached["update"].wait()
        assert "is cut off" in caplog.text
        async with world.manager() as m:
            assert await m.result(handle.pid) == {"x": 1}
        assert log == ["began"]
        assert probe.steps == ["b"]


class TestScopes:
    async def test_processes_side_by_side_do_not_see_each_others_updates(self, m, log):
        handles = [await m.start(Process("p", {"a": looks_around}), {"n": n}) for n in range(20)]
        for handle in handles:
            await handle.result()
        assert sorted(log) == [(n, 3) for n in range(20)]

    async def test_updates_of_a_step_nest(self, m, log):
        await (await m.start(Process("p", [defers_nested]))).result()
        assert log == ["parent", "child", "sibling"]

    async def test_step_that_is_over_can_defer_nothing_more(self, m, log):
        await (await m.start(Process("p", [leaves_a_task]))).result()
        (ctx,) = log
        with pytest.raises(NoDeferredScopeError, match="is over"):
            ctx.defer(print)


async def looks_around(data, ctx):
    for _ in range(3):
        ctx.defer(int)
        await anyio.lowlevel.checkpoint()
    LOG.append((data["n"], current_updates().pending_count()))
    return data


async def defers_nested(data, ctx):
    def parent():
        LOG.append("parent")
        ctx.defer(LOG.append, "child")

    ctx.defer(parent)
    defer(LOG.append, "sibling")
    return data


class TestInPlace:
    async def test_updates_run_when_their_step_has_returned(self, log):
        await run_steps({"a": defers_in_thread, "b": logs})
        assert log == ["by defer", "by ctx.defer", "b"]

    async def test_failed_step_drops_what_it_deferred(self, log):
        with pytest.raises(ProcessFailedError):
            await run_steps([defers_and_fails], {"attempts": 2})
        assert log == [1, "always"]

    async def test_failures_are_logged(self, log, caplog):
        with caplog.at_level(logging.WARNING):
            await run_steps([defers_failures])
        assert caplog.text.count("divide (deferred by") == 2
