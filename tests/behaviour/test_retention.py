"""Retention: ended processes are deleted after their time, and nothing else is."""

from __future__ import annotations

import contextlib

import pytest

from procactors import (
    HistoryGoneError,
    InvalidDefinitionError,
    ManagerOptions,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessTimedOutError,
    UnknownProcessError,
)
from tests.behaviour.history import until
from tests.behaviour.steps import ask, echo, fail, forever, gated

P = Process("p", {"a": echo, "b": echo})


async def test_an_ended_process_is_deleted_a_day_after_its_end(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(P)
        await handle.result()
        await memory_world.clock.advance("23h")
        assert (await handle.info()).status == "finished"
        await memory_world.clock.advance("2h")
        for call in (handle.info, handle.result, handle.cancel, handle.retry):
            with pytest.raises(UnknownProcessError):
                await call()
        with pytest.raises(UnknownProcessError):
            async with handle.subscribe():
                pytest.fail("it was entered")
        assert await m.list() == []


async def test_every_kind_of_end_is_deleted(memory_world, probe):
    async with memory_world.manager() as m:
        failed = await m.start(Process("p", [fail]))
        with pytest.raises(ProcessFailedError):
            await failed.result()
        timed_out = await m.start(Process("p", [forever], timeout=1))
        with pytest.raises(ProcessTimedOutError):
            await timed_out.result()
        cancelled = await m.start(P, delay=100)
        await cancelled.cancel()
        with pytest.raises(ProcessCancelledError):
            await cancelled.result()
        await memory_world.clock.advance("25h")
        assert await m.list() == []


async def test_live_processes_are_kept(memory_world, probe):
    async with memory_world.manager() as m:
        asked = await m.start(Process("p", [ask]))
        await until(m, asked.pid, "ProcessInterrupted")
        delayed = await m.start(P, delay=10 * 86_400)
        running = await m.start(Process("p", [gated], timeout=None))
        await memory_world.clock.advance("8d")
        assert [info.pid for info in await m.list()] == [running.pid, delayed.pid, asked.pid]
        await asked.proceed()
        await asked.result()
        await memory_world.clock.advance("25h")
        with pytest.raises(UnknownProcessError):
            await asked.info()
        probe.gates["gated"].set()
        await running.result()
        await delayed.result()


async def test_the_time_is_configurable(world):
    async with world.manager(options=ManagerOptions(keep_ended_s=3)) as m:
        handle = await m.start(P)
        await handle.result()
        await world.clock.advance(2)
        assert (await handle.info()).status == "finished"
        await world.clock.advance(62)
        with pytest.raises(UnknownProcessError):
            await handle.info()


async def test_a_retried_process_is_kept_again(memory_world, probe):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", [fail]))
        with pytest.raises(ProcessFailedError):
            await handle.result()
        await memory_world.clock.advance("20h")
        await handle.retry()
        with pytest.raises(ProcessFailedError):
            await handle.result()
        await memory_world.clock.advance("20h")
        assert (await handle.info()).status == "failed"


async def test_many_processes_are_deleted_together(memory_world):
    async with memory_world.manager() as m:
        for _ in range(1200):
            await m.start(P)
        last = await m.start(P)
        await last.result()
        await memory_world.clock.advance("26h")
        assert await m.list() == []
        assert sum((await m.counts()).values()) == 0


async def test_the_next_manager_deletes_what_is_old(world):
    async with world.manager() as m:
        handle = await m.start(P)
        await handle.result()
    world.clock._now += 2 * 86_400
    async with world.manager() as m:
        await world.clock.advance(65)
        with pytest.raises(UnknownProcessError):
            await m.info(handle.pid)


async def test_a_stream_of_all_after_what_was_deleted_is_an_error(memory_world):
    async with memory_world.manager() as m:
        await (await m.start(P)).result()
        await memory_world.clock.advance("26h")
        handle = await m.start(P)
        await handle.result()
        with pytest.raises(HistoryGoneError):
            async with m.subscribe(after=1):
                pytest.fail("it was entered")
        with pytest.raises(HistoryGoneError):
            async with m.subscribe(after=0):
                pytest.fail("it was entered")
        async with m.subscribe(after=7) as events:
            event = await anext(events)
            assert (event.pid, event.seq) == (handle.pid, 1)


async def test_a_slow_subscriber_of_a_process_that_is_deleted_meanwhile_ends(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {f"s{n}": echo for n in range(700)}, timeout=None))
        async with handle.subscribe() as events:
            seen = [(await anext(events)).seq]
            await memory_world.clock.advance("26h")
            with contextlib.suppress(HistoryGoneError, UnknownProcessError):
                async for event in events:
                    seen.append(event.seq)  # noqa: PERF401 - what came before the error counts too
        assert seen == list(range(1, len(seen) + 1))


@pytest.mark.parametrize(
    "name",
    [
        "lease_s",
        "poll_active_s",
        "poll_idle_s",
        "store_patience_s",
        "grace_s",
        "payload_limit_bytes",
        "keep_ended_s",
        "max_depth",
        "crash_limit",
        "blocked_after_s",
        "progress_every_s",
    ],
)
def test_an_option_below_zero_is_refused_and_named(name):
    with pytest.raises(InvalidDefinitionError, match=name):
        ManagerOptions(**{name: -1})
    with pytest.raises(InvalidDefinitionError, match=name):
        ManagerOptions(**{name: float("nan")})


def test_options_have_the_defaults_of_the_contract():
    options = ManagerOptions()
    assert (options.lease_s, options.poll_active_s, options.poll_idle_s) == (5, 0.005, 0.05)
    assert (options.store_patience_s, options.grace_s) == (10, 10)
    assert (options.payload_limit_bytes, options.keep_ended_s) == (1_048_576, 86_400)
    assert (options.max_depth, options.crash_limit) == (32, 5)
    assert (options.blocked_after_s, options.progress_every_s) == (60, 0.1)
    with pytest.raises(TypeError):
        ManagerOptions(colour="red")
    with pytest.raises(AttributeError):
        options.lease_s = 3
