"""Status streams: history, then live, without a gap or a repetition, for as many as want to see."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from procactors import (
    ManagerOptions,
    ProcactorsError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    UnknownProcessError,
)
from tests.behaviour.history import history, kinds, only, until
from tests.behaviour.steps import ask, echo, fail_often, forever, gated, note, sleeps

THREE = Process("p", {"a": echo, "b": echo, "c": echo})


async def many_progresses(data, ctx):
    for n in range(data["n"]):
        ctx.progress(n, data["n"], f"number {n}")
        await anyio.sleep(0.01)
    return data


async def progresses_and_waits(data, ctx):
    ctx.progress(3, 7, "three of seven")
    ctx.services["probe"].reached["told"].set()
    await ctx.services["probe"].gates["told"].wait()
    return data


def progresses_in_a_thread(data, ctx):
    for n in range(1000):
        ctx.progress(n, 1000)
    return data


async def collect(stream):
    async with stream as events:
        return [event async for event in events]


async def test_a_stream_of_an_ended_process_is_its_history_and_ends(m):
    handle = await m.start(THREE, {"x": 1})
    await handle.result()
    events = await collect(m.subscribe(handle.pid))
    assert [event.seq for event in events] == list(range(1, 10))
    assert await collect(handle.subscribe()) == events


async def test_a_stream_goes_over_into_live_events_and_ends_with_the_process(m, probe):
    handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}), {"x": 1})
    seen = []
    async with m.subscribe(handle.pid) as events:
        async for event in events:
            seen.append(event)
            if type(event).__name__ == "StepStarted" and event.step == "b":
                probe.gates["b"].set()
    assert [event.seq for event in seen] == list(range(1, 10))
    assert kinds(seen)[-1] == "ProcessFinished"
    assert seen == await history(m, handle.pid)


async def test_a_stream_after_each_seq_is_the_rest(m):
    handle = await m.start(THREE)
    await handle.result()
    events = await history(m, handle.pid)
    for after in range(len(events) + 1):
        assert await history(m, handle.pid, after=after) == events[after:]


async def test_a_live_stream_after_each_seq_is_the_rest(m, probe):
    handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}))
    await probe.reached["b"].wait()
    seen = {}

    async def follow(after):
        seen[after] = await history(m, handle.pid, after=after)

    async with anyio.create_task_group() as tasks:
        for after in range(9):
            tasks.start_soon(follow, after)
        await anyio.sleep(0.2)
        probe.gates["b"].set()
    for after in range(9):
        assert [event.seq for event in seen[after]] == list(range(after + 1, 10))


async def test_after_the_end_of_an_ended_process_there_is_nothing(m):
    handle = await m.start(THREE)
    await handle.result()
    assert await history(m, handle.pid, after=9) == []
    assert await history(m, handle.pid, after=1000) == []


async def test_an_unknown_pid_raises_on_entering(m):
    stream = m.subscribe("0" * 32)
    with pytest.raises(UnknownProcessError):
        await stream.__aenter__()
    with pytest.raises(UnknownProcessError):
        async with m.subscribe("not a pid"):
            pytest.fail("it was entered")


@pytest.mark.parametrize("after", [-1, -1000])
async def test_a_negative_after_is_everything_or_an_error_but_no_hang(m, after):
    handle = await m.start(THREE)
    await handle.result()
    try:
        events = await history(m, handle.pid, after=after)
    except (ProcactorsError, ValueError):
        return
    assert [event.seq for event in events] == list(range(1, 10))


async def test_two_subscribers_see_the_same(m, probe):
    handle = await m.start(Process("p", dict.fromkeys("abcdefgh", note)))
    seen = []

    async def follow():
        seen.append(await history(m, handle.pid))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(follow)
            await anyio.lowlevel.checkpoint()
    assert all(events == seen[0] for events in seen)
    assert [event.seq for event in seen[0]] == list(range(1, len(seen[0]) + 1))


async def test_subscribers_that_come_at_every_moment_see_the_whole(memory_world):
    """The seam between history and live events is at another place each time."""
    async with memory_world.manager() as m:
        for turns in range(40):
            handle = await m.start(THREE)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            assert [event.seq for event in await history(m, handle.pid)] == list(range(1, 10))


async def test_a_subscriber_that_goes_away_in_mid_stream_disturbs_nobody(m, probe):
    handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}))
    async with m.subscribe(handle.pid) as stays:
        async with m.subscribe(handle.pid) as goes:
            await anext(goes)
        with pytest.raises((StopAsyncIteration, ProcactorsError)):
            await anext(goes)
        with anyio.move_on_after(0.5):
            async with m.subscribe(handle.pid) as cancelled:
                async for _ in cancelled:
                    pass
        probe.gates["b"].set()
        assert [event.seq async for event in stays] == list(range(1, 10))


async def test_a_subscriber_that_raises_gets_its_own_error(m):
    handle = await m.start(THREE)

    async def fail_inside():
        async with m.subscribe(handle.pid) as events:
            async for _ in events:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_inside()
    await handle.result()


async def test_a_stream_may_be_closed_twice_and_by_hand(m, probe):
    handle = await m.start(Process("p", [gated]))
    async with m.subscribe(handle.pid) as events:
        await anext(events)
        await events.aclose()
        await events.aclose()
        with pytest.raises((StopAsyncIteration, ProcactorsError)):
            await anext(events)
    probe.gates["gated"].set()
    await handle.result()


async def test_a_subscriber_that_sleeps_between_events_sees_them_all(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {f"step {n}": echo for n in range(300)}, timeout=None))
        seen = []
        async with m.subscribe(handle.pid) as events:
            async for event in events:
                seen.append(event.seq)
                await anyio.sleep(0.5)
        assert seen == list(range(1, 604))


async def test_a_subscriber_that_begins_to_read_late_sees_what_its_buffer_could_not_hold(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {f"step {n}": echo for n in range(600)}, timeout=None))
        async with m.subscribe(handle.pid) as events:
            await handle.result()
            assert [event.seq async for event in events] == list(range(1, 1204))


async def test_to_follow_a_process_reads_it_once_and_its_history_once(memory_world, probe, monkeypatch):
    reads = []

    def noting(name, method):
        def read(*args):
            reads.append(name)
            return method(*args)

        return read

    for name in ("record", "history", "events_after", "positions", "progress"):
        monkeypatch.setattr(memory_world.memory, name, noting(name, getattr(memory_world.memory, name)))
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": echo, "b": gated, "c": echo}))
        await probe.reached["b"].wait()
        reads.clear()
        async with m.subscribe(handle.pid) as events:
            seen = [(await anext(events)).seq for _ in range(5)]
            probe.gates["b"].set()
            seen += [event.seq async for event in events]
        assert seen == list(range(1, 10))
    assert reads == ["record", "history"]


async def test_a_new_subscriber_of_a_running_process_gets_its_current_progress(m, probe):
    handle = await m.start(Process("p", {"a": progresses_and_waits}))
    await probe.reached["told"].wait()
    await anyio.sleep(1)
    async with handle.subscribe() as events:
        seen = []
        while not only(seen, "StepProgressed"):
            seen.append(await anext(events))
        (progress,) = only(seen, "StepProgressed")
        assert (progress.step, progress.attempt) == ("a", 1)
        assert (progress.done, progress.total, progress.text) == (3, 7, "three of seven")
        assert progress.seq == 3
    info = await handle.info()
    assert (info.progress.done, info.progress.total, info.progress.text) == (3, 7, "three of seven")
    probe.gates["told"].set()
    await handle.result()
    assert (await handle.info()).progress is None


async def test_progress_is_not_history(m):
    handle = await m.start(Process("p", {"a": many_progresses}), {"n": 100})
    seen = await history(m, handle.pid)
    told = only(seen, "StepProgressed")
    assert told
    assert len(told) <= 20
    assert [event.seq for event in seen if event not in told] == [1, 2, 3, 4, 5]
    assert {event.seq for event in told} == {3}
    done = [event.done for event in told]
    assert done == sorted(done)
    assert only(await history(m, handle.pid), "StepProgressed") == []


async def test_progress_from_a_thread_does_not_hurt(m):
    handle = await m.start(Process("p", {"a": progresses_in_a_thread}), {"x": 1})
    assert await handle.result() == {"x": 1}


async def test_events_are_frozen(m):
    handle = await m.start(THREE)
    await handle.result()
    for event in await history(m, handle.pid):
        with pytest.raises(AttributeError):
            event.seq = 99
        assert msgspec.json.decode(msgspec.json.encode(event))["seq"] == event.seq


async def test_a_stream_of_a_retried_process_shows_both_runs_and_ends_with_the_second(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"a": fail_often, "b": echo}))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    first = await history(m, handle.pid)
    assert kinds(first)[-1] == "ProcessFailed"
    await handle.retry()
    await handle.result()
    events = await history(m, handle.pid)
    assert events[: len(first)] == first
    assert kinds(events)[-1] == "ProcessFinished"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert await history(m, handle.pid, after=first[-1].seq) == events[len(first) :]


async def test_a_stream_goes_on_through_an_interrupt(m):
    handle = await m.start(Process("p", {"a": ask, "b": echo}))
    seen = []
    async with handle.subscribe() as events:
        async for event in events:
            seen.append(event)
            if type(event).__name__ == "ProcessInterrupted":
                await handle.proceed({"y": 1})
    assert kinds(seen)[-1] == "ProcessFinished"
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


async def test_a_stream_ends_for_each_kind_of_end(m, probe):
    handle = await m.start(Process("p", [forever]))
    await probe.reached["forever"].wait()
    await handle.cancel()
    with pytest.raises(ProcessCancelledError):
        await handle.result()
    assert kinds(await history(m, handle.pid))[-1] == "ProcessCancelled"
    handle = await m.start(Process("p", [forever], timeout=1))
    assert kinds(await history(m, handle.pid))[-1] == "ProcessTimedOut"


async def test_streams_end_when_the_manager_closes(world, probe):
    ends = []

    async def follow(stream, entered):
        async with stream as events:
            entered.set()
            async for _ in events:
                pass
        ends.append("ended")

    async with anyio.create_task_group() as tasks, world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", [gated]))
        for stream in (m.subscribe(handle.pid), m.subscribe()):
            entered = anyio.Event()
            tasks.start_soon(follow, stream, entered)
            await entered.wait()
    assert ends == ["ended", "ended"]


async def test_what_was_seen_is_not_lost_by_a_kill(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", dict.fromkeys("abcdef", sleeps)), {"s": 0.5})
        seen = []
        async with m.subscribe(handle.pid) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == 7:
                    break
        await m.kill()
    async with world.manager() as m:
        await m.result(handle.pid)
        after = await history(m, handle.pid)
        assert after[:7] == seen
        assert [event.seq for event in after] == list(range(1, len(after) + 1))
        rest = await history(m, handle.pid, after=7)
        assert seen + rest == after


async def test_iterating_a_stream_that_was_not_entered_is_an_error_or_works_but_never_hangs(m):
    handle = await m.start(THREE)
    await handle.result()
    try:
        event = await anext(m.subscribe(handle.pid))
    except (ProcactorsError, RuntimeError, TypeError, StopAsyncIteration):
        return
    assert event.seq == 1


async def test_until_finds_nothing_in_an_ended_stream(m):
    handle = await m.start(THREE)
    with pytest.raises(AssertionError):
        await until(m, handle.pid, "ProcessFailed")


async def test_subscribers_hear_of_an_event_in_the_order_in_which_they_came(m, probe):
    handle = await m.start(Process("p", {"a": gated}), {})
    heard = []

    async def follow(number, is_there):
        async with m.subscribe(handle.pid) as events:
            async for event in events:
                if event.seq == 3:
                    is_there.set()
                elif type(event).__name__ == "StepFinished":
                    heard.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            is_there = anyio.Event()
            tasks.start_soon(follow, number, is_there)
            await is_there.wait()
        probe.gates["a"].set()
    assert heard == list(range(30))
