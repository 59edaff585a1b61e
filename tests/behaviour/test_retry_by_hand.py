"""`manager.retry`: a process that failed goes on from its failed step."""

from __future__ import annotations

import anyio
import pytest

from procactors import (
    InvalidStateError,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    UnknownProcessError,
)
from tests.behaviour.history import history, kinds, until
from tests.behaviour.steps import ask, echo, fail_often, gated, note, sleeps


async def test_a_failed_process_goes_on_from_its_failed_step(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"a": note, "b": fail_often, "c": note}), {"x": 1})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    await handle.retry()
    assert await handle.result() == {"x": 1}
    assert probe.calls == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]
    info = await handle.info()
    assert info.status == "finished"
    assert info.error is None
    assert set(info.steps.values()) == {"completed"}
    events = await history(m, handle.pid)
    assert "ProcessRetried" in kinds(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_retried_process_may_fail_again_and_be_retried_again(m, probe):
    probe.failures = 3
    handle = await m.start(Process("p", {"s": fail_often}))
    for attempt in (1, 2, 3):
        with pytest.raises(ProcessFailedError) as caught:
            await handle.result()
        assert caught.value.attempt == attempt
        await handle.retry()
    await handle.result()
    assert probe.attempts == [1, 2, 3, 4]


async def test_a_retry_by_hand_starts_the_deadline_anew(world, probe):
    probe.failures = 1
    process = Process("p", {"a": fail_often, "b": sleeps}, timeout=3)
    async with world.manager() as m:
        handle = await m.start(process, {"s": 2})
        with pytest.raises(ProcessFailedError):
            await handle.result()
        await world.clock.advance(10)
        await m.retry(handle.pid)
        assert await handle.result() == {"s": 2}


async def test_a_process_that_timed_out_can_be_retried(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": gated}, timeout=2), {})
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        probe.gates["a"].set()
        await handle.retry()
        await handle.result()
        assert probe.attempts == [1, 2]


async def test_only_a_failed_process_can_be_retried(m, probe):
    running = await m.start(Process("p", [gated]))
    await probe.reached["gated"].wait()
    finished = await m.start(Process("p", [echo]))
    await finished.result()
    delayed = await m.start(Process("p", [echo]), delay=100)
    asked = await m.start(Process("p", [ask]))
    await until(m, asked.pid, "ProcessInterrupted")
    cancelled = await m.start(Process("p", [echo]), delay=100)
    await cancelled.cancel()
    for handle in (running, finished, delayed, asked, cancelled):
        with pytest.raises(InvalidStateError) as caught:
            await handle.retry()
        assert caught.value.pid == handle.pid
    with pytest.raises(UnknownProcessError):
        await m.retry("f" * 32)
    await delayed.cancel()
    probe.gates["gated"].set()
    await running.result()


async def test_of_many_concurrent_retries_exactly_one_is_done(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"s": fail_often}))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    refused = []

    async def retry():
        try:
            await handle.retry()
        except InvalidStateError as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(retry)
    await handle.result()
    assert len(refused) == 9
    assert probe.attempts == [1, 2]


async def test_a_client_retries_while_no_manager_runs(world, probe):
    probe.failures = 1
    async with world.manager() as m:
        handle = await m.start(Process("p", {"s": fail_often}))
        with pytest.raises(ProcessFailedError):
            await handle.result()
    async with world.manager(run=False) as client:
        await client.retry(handle.pid)
        assert (await client.info(handle.pid)).status == "queued"
    async with world.manager() as m:
        await m.result(handle.pid)
        assert probe.attempts == [1, 2]
