"""Retention: ended processes are deleted after their time, and nothing else is."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys

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
from procactors.testing import explore_crashes
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


async def test_a_definition_says_how_long_its_own_are_kept(memory_world):
    async with memory_world.manager() as m:
        short = await m.start(Process("short", [echo], keep=60))
        long = await m.start(Process("long", [echo], keep=3 * 86_400))
        usual = await m.start(P)
        for handle in (short, long, usual):
            await handle.result()
        await memory_world.clock.advance("15m")
        assert {info.name for info in await m.list()} == {"long", "p"}
        await memory_world.clock.advance("26h")
        assert {info.name for info in await m.list()} == {"long"}
        await memory_world.clock.advance("2d")
        assert await m.list() == []


async def runs_children(data, ctx):
    await ctx.gather(*[(Process("child", [echo], keep=0), {"n": n}, str(n)) for n in range(3)])
    if data["gate"]:
        await gated(data, ctx)
    return data


async def names_of_queues(m):
    return [queue.name for queue in (await m.queues())[1:]]


async def test_with_the_last_process_of_a_definition_goes_its_queue(memory_world):
    limited, other = Process("limited", [echo], max_running=1), Process("other", [echo], max_per_group=1)
    async with memory_world.manager() as m:
        for plan in (limited, other):
            await (await m.start(plan)).result()
        await m.pause("paused")
        await memory_world.clock.advance("23h")
        asking = await m.start(Process("other", [ask], max_per_group=1))
        assert await names_of_queues(m) == ["limited", "other", "paused"]
        await memory_world.clock.advance("2h")
        assert await names_of_queues(m) == ["other", "paused"]
        handles = [await m.start(Process("limited", [gated], max_running=1)) for _ in range(2)]
        await memory_world.clock.advance(1)
        assert [(await handle.info()).status for handle in handles] == ["running", "queued"]
        assert (await asking.info()).status == "interrupted"


async def test_a_rate_counts_what_has_begun_although_it_was_deleted(memory_world):
    seldom = Process("seldom", [echo], rate=(1, 86_400), keep=60)
    async with memory_world.manager() as m:
        await (await m.start(seldom, {"n": 1})).result()
        await memory_world.clock.advance("1h")
        assert await m.list() == []
        second = await m.start(seldom, {"n": 2})
        await memory_world.clock.advance("22h")
        assert (await second.info()).status == "queued"
        await memory_world.clock.advance("2h")
        assert await m.list() == []
        await memory_world.clock.advance("25h")
        brief = await m.start(Process("brief", [echo], keep=60))
        await memory_world.clock.advance("1h")
        assert await names_of_queues(m) == []
        with pytest.raises(UnknownProcessError):
            await brief.info()


async def test_children_are_kept_as_long_as_their_parent_and_go_with_it(memory_world, probe):
    async with memory_world.manager() as m:
        handle = await m.start(
            Process("parent", {"g": runs_children}, timeout=None, keep=3600), {"gate": True}
        )
        await probe.reached["g"].wait()
        await memory_world.clock.advance("3d")
        assert len(await m.list(name="child")) == 3
        probe.gates["g"].set()
        await handle.result()
        await memory_world.clock.advance("30m")
        assert len(await m.list()) == 4
        await memory_world.clock.advance("1h")
        assert await m.list() == []


async def test_a_crash_at_any_commit_deletes_all_in_the_end(probe):
    """A retention that is cut short between a parent and its children goes on."""

    async def scenario(m):
        handle = await m.start(Process("parent", {"g": runs_children}, keep=0), {"gate": False}, key="k")
        with contextlib.suppress(UnknownProcessError):
            await handle.result()
        await m.clock.advance("11m")
        return len(await m.list(name="child", limit=1)) if not await m.list(name="parent") else 0

    report = await explore_crashes(scenario, services={"probe": probe})
    assert report.output == 0


async def test_a_file_of_ours_becomes_smaller_when_much_was_deleted(file_world):
    async with file_world.manager(options=ManagerOptions(keep_ended_s=1)) as m:
        for _ in range(20):
            await (await m.start(P, {"text": "x" * 100_000})).result()
        before = pages_of(file_world)
        await file_world.clock.advance(70)
        assert await m.list() == []
        assert pages_of(file_world) < before / 4


async def test_a_file_of_the_application_is_left_as_it_is(file_world):
    with contextlib.closing(sqlite3.connect(path_of(file_world))) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    async with file_world.manager(options=ManagerOptions(keep_ended_s=1)) as m:
        for _ in range(20):
            await (await m.start(P, {"text": "x" * 100_000})).result()
        before = pages_of(file_world)
        await file_world.clock.advance(70)
        assert await m.list() == []
        assert pages_of(file_world) >= before


def path_of(world):
    return world.url.removeprefix("sqlite:///")


def pages_of(world):
    """Ask in another OS process: a second SQLite library in this one would break the locks."""
    path = path_of(world)
    script = f"import sqlite3; print(*sqlite3.connect({path!r}).execute('PRAGMA page_count').fetchone())"
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


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
