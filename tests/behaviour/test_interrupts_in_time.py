"""Interrupts and time: what an open question costs, survives and does not use up."""

from __future__ import annotations

import contextlib

import anyio
import pytest

from procactors import (
    Interrupt,
    NotInterruptedError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Step,
)
from tests.behaviour.history import history, kinds, until
from tests.behaviour.steps import ask, echo, gated, note, sleeps
from tests.behaviour.test_interrupts import (
    Decision,
    asks_with_a_default_that_json_can_not_hold,
    asks_with_a_negative_timeout,
    asks_with_timeout,
    asks_with_what_json_can_not_hold,
    interrupted,
)


async def asks_with_a_default_that_fits(data):
    return Interrupt(data, schema=Decision, timeout=1, on_timeout=Decision(approved=False))


async def asks_with_a_default_that_does_not_fit(data):
    return Interrupt(data, schema=Decision, timeout=1, on_timeout={"approved": "perhaps"})


async def sleeps_and_asks(data, ctx):
    await anyio.sleep(0.6)
    return Interrupt(data)


async def test_time_while_interrupted_does_not_count_and_proceed_starts_the_timeout_anew(world):
    process = Process("p", {"a": sleeps_and_asks, "b": sleeps}, timeout=1)
    async with world.manager() as m:
        handle = await interrupted(m, process, {"s": 0.8})
        await world.clock.advance(5)
        await handle.proceed()
        assert await handle.result() == {"s": 0.8}
        handle = await interrupted(m, process, {"s": 1.2})
        await handle.proceed()
        with pytest.raises(ProcessTimedOutError):
            await handle.result()


async def test_an_interrupted_process_holds_no_slot(world):
    async with world.manager(max_running=1) as m:
        first = await interrupted(m, Process("p", [ask]))
        assert await (await m.start(Process("q", [echo]), {"x": 1})).result() == {"x": 1}
        await first.proceed()
        await first.result()


async def test_a_question_of_weeks_is_answered_at_last(memory_world):
    async with memory_world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": ask, "b": echo}), {"x": 1})
        await memory_world.clock.advance("14d")
        assert (await handle.info()).status == "interrupted"
        await handle.proceed()
        assert (await handle.result())["x"] == 1


async def test_result_waits_through_interrupts(m):
    handle = await m.start(Process("p", {"a": ask, "b": ask}))
    results = []

    async def wait():
        results.append(await handle.result())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await until(m, handle.pid, "ProcessInterrupted")
        assert results == []
        seq = (await handle.info()).seq
        await handle.proceed({"n": 1})
        await until(m, handle.pid, "ProcessInterrupted", after=seq)
        assert results == []
        await handle.proceed({"n": 2})
    assert results == [{"question": "?", "n": 2}]


async def test_an_interrupted_process_survives_a_kill_and_a_restart(world, probe):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": ask, "b": note}), {"x": 1})
        await m.kill()
    async with world.manager() as m:
        assert (await m.info(handle.pid)).status == "interrupted"
        assert (await m.info(handle.pid)).interrupt.data == {"x": 1, "question": "?"}
    async with world.manager() as m:
        await m.proceed(handle.pid, {"y": 2})
        assert await m.result(handle.pid) == {"x": 1, "question": "?", "y": 2}
        assert probe.calls == [("a", 1), ("b", 1)]


async def test_a_client_answers_while_no_manager_runs(world, probe):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": ask, "b": note}))
    async with world.manager(run=False) as client:
        await client.proceed(handle.pid, {"y": 2})
        assert (await client.info(handle.pid)).status == "queued"
        with pytest.raises(NotInterruptedError):
            await client.proceed(handle.pid, {"y": 3})
    async with world.manager() as m:
        assert await m.result(handle.pid) == {"question": "?", "y": 2}


async def test_a_kill_right_after_proceed_loses_no_answer(world, probe):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": ask, "b": note}))
        await handle.proceed({"y": 2})
        await m.kill()
    async with world.manager() as m:
        assert await m.result(handle.pid) == {"question": "?", "y": 2}
        assert kinds(await history(m, handle.pid)).count("ProcessProceeded") == 1


async def test_an_interrupted_process_can_be_cancelled(m):
    handle = await interrupted(m, Process("p", {"a": ask, "b": note}))
    assert await handle.cancel(reason="enough")
    with pytest.raises(ProcessCancelledError, match="enough"):
        await handle.result()
    info = await handle.info()
    assert info.status == "cancelled"
    assert info.interrupt is None
    with pytest.raises(NotInterruptedError):
        await handle.proceed({})


async def test_cancel_and_proceed_at_once_never_leave_it_between(m, probe):
    for n in range(20):
        handle = await interrupted(m, Process("p", {"a": ask, "b": echo}))
        answers = []

        async def proceed(handle=handle, answers=answers):
            try:
                await handle.proceed({"n": 1})
                answers.append("proceeded")
            except NotInterruptedError:
                answers.append("refused")

        async with anyio.create_task_group() as tasks:
            if n % 2:
                tasks.start_soon(proceed)
                tasks.start_soon(handle.cancel)
            else:
                tasks.start_soon(handle.cancel)
                tasks.start_soon(proceed)
        with pytest.raises(ProcessCancelledError):
            await handle.result()


async def test_answer_and_timeout_at_the_same_moment_give_one_end(world):
    async with world.manager() as m:
        handles = [await interrupted(m, Process("p", {"a": asks_with_timeout})) for _ in range(10)]
        outcomes = []

        async def answer(handle, delay):
            await anyio.sleep(delay)
            try:
                await handle.proceed({"x": 1})
                outcomes.append((handle, "finished"))
            except NotInterruptedError:
                outcomes.append((handle, "timed_out"))

        async with anyio.create_task_group() as tasks:
            for n, handle in enumerate(handles):
                tasks.start_soon(answer, handle, 9.95 + n / 100)
        for handle, status in outcomes:
            assert (await ended(handle)).status == status


async def ended(handle):
    with contextlib.suppress(ProcessTimedOutError):
        await handle.result()
    return await handle.info()


@pytest.mark.parametrize(
    "call",
    [
        asks_with_a_negative_timeout,
        asks_with_what_json_can_not_hold,
        asks_with_a_default_that_json_can_not_hold,
    ],
)
async def test_an_interrupt_that_is_none_fails_its_step(m, call):
    handle = await m.start(Process("p", {"s": call}))
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.step == "s"


async def test_the_answer_goes_to_the_end_of_the_queue_by_priority(world, probe):
    async with world.manager(max_running=1) as m:
        waiting = await interrupted(m, Process("p", {"a": ask, "b": note}))
        blocker = await m.start(Process("q", {"blocker": gated}))
        await probe.reached["blocker"].wait()
        await waiting.proceed()
        assert (await waiting.info()).status == "queued"
        probe.gates["blocker"].set()
        await blocker.result()
        await waiting.result()


async def test_an_answer_of_the_step_itself_has_to_fit_its_schema(world):
    async with world.manager() as m:
        fits = await interrupted(m, Process("p", [asks_with_a_default_that_fits]), {"x": 1})
        assert await fits.result() == {"x": 1, "approved": False, "comment": ""}
        misfit = await m.start(Process("p", {"ask": asks_with_a_default_that_does_not_fit}), {"x": 1})
        with pytest.raises(
            ProcessFailedError, match=r"'ask' does not fit Decision: .*bool.*approved"
        ) as caught:
            await misfit.result()
        assert caught.value.error.type == "InvalidDataError"
        assert (await misfit.info()).steps == {"ask": "failed"}


async def test_a_default_that_does_not_fit_is_not_mended_by_a_retry(m):
    step = Step("ask", asks_with_a_default_that_does_not_fit, retry=Retry(attempts=2, delay=0.1))
    handle = await m.start(Process("p", [step]))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    names = kinds(await history(m, handle.pid))
    assert (names.count("StepFailed"), names.count("ProcessInterrupted")) == (1, 0)
