"""Every event: when it comes, in which order, with which number, and what it says."""

from __future__ import annotations

from datetime import timedelta

import anyio
import msgspec
import pytest

import procactors
from procactors import (
    Process,
    ProcessEndedError,
    ProcessEvent,
    Retry,
    Sleep,
    Step,
)
from procactors.deferred import Stage, defer
from tests.behaviour.history import history, kinds, only, until, until_status
from tests.behaviour.steps import (
    ask,
    come_later,
    echo,
    fail,
    fail_often,
    forever,
    gated,
    grow,
    slow_to_end,
)

CHILD = Process("child", {"gate": gated})


async def undo_grow(data, ctx):
    ctx.services["probe"].note(data, ctx)


async def undo_badly(data):
    raise ValueError("can not be undone")


async def run_child(data, ctx):
    return await ctx.run(CHILD, {})


async def bad_update():
    raise ValueError("deferred in vain")


async def defers_badly(data):
    defer(bad_update, stage=Stage.PRESEND)
    return data


async def tells(data, ctx):
    for done in range(5):
        ctx.progress(done, 5, f"number {done}")
        await anyio.sleep(1)
    return data


async def ended(handle):
    with pytest.raises(ProcessEndedError):
        await handle.result()


def check_numbers(events):
    """Seqs are 1, 2, 3, ... without gaps, positions grow, times do not go back, all of one pid."""
    kept = [event for event in events if type(event).__name__ != "StepProgressed"]
    assert [event.seq for event in kept] == list(range(1, len(kept) + 1))
    positions = [event.position for event in kept]
    assert positions == sorted(set(positions))
    assert [event.at for event in kept] == sorted(event.at for event in kept)
    assert all(event.at.utcoffset() == timedelta(0) for event in events)
    assert len({event.pid for event in events}) == 1


async def test_a_retried_step_and_a_failure(m, probe):
    step = Step("bad", fail, retry=Retry(attempts=2, delay=2, jitter=False))
    handle = await m.start(Process("p", [step]))
    await ended(handle)
    events = await history(m, handle.pid)
    check_numbers(events)
    names = [k for k in kinds(events) if k.startswith("Step") or k == "ProcessFailed"]
    assert names == [
        "StepStarted",
        "StepFailed",
        "StepRetryScheduled",
        "StepStarted",
        "StepFailed",
        "ProcessFailed",
    ]
    failures = only(events, "StepFailed")
    assert [(e.step, e.attempt, e.error.message) for e in failures] == [
        ("bad", 1, "no good"),
        ("bad", 2, "no good"),
    ]
    (scheduled,) = only(events, "StepRetryScheduled")
    assert scheduled.step == "bad"
    assert events[-1].error.message == "no good"
    assert (events[-1].error.step, events[-1].error.attempt) == ("bad", 2)


async def test_a_retry_after_is_scheduled_like_a_retry(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"later": come_later}), {"s": 5})
    await handle.result()
    events = await history(m, handle.pid)
    check_numbers(events)
    assert "StepRetryScheduled" in kinds(events)
    assert only(events, "StepFinished")[0].step == "later"


async def test_an_interrupt_and_its_answer(m):
    handle = await m.start(Process("p", {"ask": ask, "b": grow}), {"n": 1})
    await until_status(handle, "interrupted")
    await handle.proceed({"yes": True})
    await handle.result()
    events = await history(m, handle.pid)
    check_numbers(events)
    names = kinds(events)
    assert names.index("StepFinished") < names.index("ProcessInterrupted") < names.index("ProcessProceeded")
    (asked,) = only(events, "ProcessInterrupted")
    assert (asked.step, asked.data, asked.schema) == ("ask", {"n": 1, "question": "?"}, None)
    assert names[-1] == "ProcessFinished"
    assert events[-1].output == {"n": 1, "question": "?", "yes": True, "trail": ["b"]}


async def test_a_cancel_of_a_running_and_of_a_free_process(m, probe):
    running = await m.start(Process("p", [slow_to_end]))
    await probe.reached["slow_to_end"].wait()
    await running.cancel(reason="enough")
    await until(m, running.pid, "ProcessCancelRequested")
    probe.gates["slow_to_end"].set()
    await ended(running)
    events = await history(m, running.pid)
    check_numbers(events)
    names = kinds(events)
    assert names.index("ProcessCancelRequested") < names.index("ProcessCancelled") == len(names) - 1
    assert events[-1].reason == "enough"
    free = await m.start(Process("p", [echo]), delay=100)
    await free.cancel(reason="not needed")
    await ended(free)
    events = await history(m, free.pid)
    check_numbers(events)
    assert kinds(events)[-1] == "ProcessCancelled"
    assert events[-1].reason == "not needed"
    assert "StepStarted" not in kinds(events)


async def test_a_cancel_without_a_reason(m):
    handle = await m.start(Process("p", [forever]), delay=100)
    assert await handle.cancel() is True
    assert not (await history(m, handle.pid))[-1].reason
    assert await handle.cancel() is False


async def test_a_timeout(m):
    handle = await m.start(Process("p", {"a": grow, "b": forever}, timeout=5))
    await ended(handle)
    events = await history(m, handle.pid)
    check_numbers(events)
    assert kinds(events)[-1] == "ProcessTimedOut"
    assert events[-1].at - events[1].at == timedelta(seconds=5)


async def test_a_sleep_and_a_delay(m):
    handle = await m.start(Process("p", {"a": grow, "nap": Sleep(3), "b": grow}), delay=2)
    await handle.result()
    events = await history(m, handle.pid)
    check_numbers(events)
    names = kinds(events)
    assert names[0] == "ProcessQueued"
    assert "ProcessSleeping" in names
    assert names.count("ProcessStarted") == 1
    assert events[-1].at - events[0].at >= timedelta(seconds=5)
    assert [e.step for e in only(events, "StepFinished")] == ["a", "nap", "b"]


async def test_a_waiting_parent(m, probe):
    handle = await m.start(Process("p", {"parent": run_child}))
    await probe.reached["gate"].wait()
    probe.gates["gate"].set()
    await handle.result()
    events = await history(m, handle.pid)
    check_numbers(events)
    names = kinds(events)
    assert names.index("StepStarted") < names.index("ProcessWaiting") < names.index("ProcessResumed")
    assert names.index("ProcessResumed") < names.index("StepFinished")


async def test_retry_rewind_and_skip_by_hand(m, probe):
    probe.failures = 2
    handle = await m.start(Process("p", {"a": grow, "often": fail_often}))
    await ended(handle)
    await handle.retry()
    await ended(handle)
    await handle.skip("often")
    await handle.result()
    await handle.rewind("a")
    await handle.result()
    async with m.subscribe(handle.pid) as stream:
        events = [event async for event in stream]
    check_numbers(events)
    names = kinds(events)
    assert names.count("ProcessFailed") == 2
    assert names.count("ProcessRetried") == 1
    assert names.count("ProcessRewound") == 1
    assert names.count("ProcessFinished") == 2
    (skipped,) = only(events, "StepSkipped")
    assert skipped.step == "often"
    assert only(events, "ProcessRewound")[0].step == "a"


async def test_a_fork_has_a_history_of_its_own(m):
    handle = await m.start(Process("p", {"a": grow, "b": grow}))
    await handle.result()
    forked = await handle.fork("b", {"trail": ["x"]})
    assert forked.pid != handle.pid
    assert await forked.result() == {"trail": ["x", "b"]}
    events = await history(m, forked.pid)
    check_numbers(events)
    assert [e.step for e in only(events, "StepStarted")] == ["b"]
    assert kinds(await history(m, handle.pid))[-1] == "ProcessFinished"


async def test_undo_that_works_and_that_fails(m):
    good = Process("good", {"a": Step("a", grow, undo=undo_grow), "bad": fail})
    handle = await m.start(good)
    await ended(handle)
    events = await history(m, handle.pid)
    check_numbers(events)
    names = kinds(events)
    assert names.index("StepFailed") < names.index("UndoStarted") < names.index("UndoFinished")
    assert names[-1] == "ProcessFailed"
    assert only(events, "UndoStarted")[0].step == only(events, "UndoFinished")[0].step == "a"
    bad = await m.start(Process("bad", {"a": Step("a", grow, undo=undo_badly), "bad": fail}))
    await ended(bad)
    events = await history(m, bad.pid)
    check_numbers(events)
    (failed,) = only(events, "UndoFailed")
    assert (failed.step, failed.error.message) == ("a", "can not be undone")


async def test_a_deferred_update_that_fails_is_an_event(m):
    handle = await m.start(Process("p", {"a": defers_badly}))
    await handle.result()
    events = await history(m, handle.pid)
    check_numbers(events)
    (failed,) = only(events, "DeferredUpdateFailed")
    assert (failed.step, failed.error.message) == ("a", "deferred in vain")


async def test_a_released_and_a_recovered_process(file_world):
    process = Process("p", {"a": grow, "b": gated, "c": grow})
    async with file_world.manager() as first:
        handle = await first.start(process)
        await file_world.probe.reached["b"].wait()
    async with file_world.manager() as second:
        file_world.probe.gates["b"].set()
        await second.result(handle.pid)
        events = await history(second, handle.pid)
    check_numbers(events)
    names = kinds(events)
    assert names.count("ProcessReleased") == 1
    assert names.index("ProcessReleased") < names.index("ProcessFinished")


async def test_progress_carries_the_number_of_the_event_before_it(m):
    handle = await m.start(Process("p", {"a": grow, "tells": tells}))
    async with m.subscribe(handle.pid) as stream:
        events = [event async for event in stream]
    check_numbers(events)
    told = only(events, "StepProgressed")
    assert told
    started = next(e for e in only(events, "StepStarted") if e.step == "tells")
    assert {e.seq for e in told} == {started.seq}
    assert {(e.step, e.attempt) for e in told} == {("tells", 1)}
    assert [(e.done, e.total, e.text) for e in told][-1] == (4, 5, "number 4")
    assert [e.done for e in told] == sorted(e.done for e in told)


async def test_events_are_plain_data_and_are_read_back_by_their_tag(m, probe):
    probe.failures = 1
    step = Step("often", fail_often, retry=Retry(attempts=2, delay=0.1))
    process = Process("p", {"a": Step("a", grow, undo=undo_grow), "often": step, "ask": ask, "bad": fail})
    handle = await m.start(process)
    await until_status(handle, "interrupted")
    await handle.proceed({})
    await ended(handle)
    for event in await history(m, handle.pid):
        encoded = msgspec.json.encode(event)
        assert msgspec.json.decode(encoded, type=ProcessEvent) == event
        assert type(event).__name__ in encoded.decode()
        assert isinstance(event, getattr(procactors, type(event).__name__))


async def test_positions_are_one_order_over_all_processes(m):
    async with m.subscribe(after=0) as stream:
        handles = [await m.start(Process("p", {"a": grow, "b": grow})) for _ in range(5)]
        seen = []
        async for event in stream:
            seen.append(event)
            if kinds(seen).count("ProcessFinished") == 5:
                break
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions))
    for handle in handles:
        assert [e for e in seen if e.pid == handle.pid] == await history(m, handle.pid)


async def test_a_stream_of_all_after_the_last_position_is_from_now_on(m):
    first = await m.start(Process("p", [echo]))
    await first.result()
    last = (await history(m, first.pid))[-1]
    async with m.subscribe(after=last.position) as stream:
        second = await m.start(Process("p", [echo]))
        assert (await anext(stream)).pid == second.pid


async def test_a_stream_of_one_after_a_seq_to_come_waits_for_it(m, probe):
    handle = await m.start(Process("p", {"a": gated, "b": grow}))
    await probe.reached["a"].wait()
    last = (await handle.info()).seq
    async with m.subscribe(handle.pid, after=last) as stream:
        probe.gates["a"].set()
        events = [event async for event in stream]
    assert [e.seq for e in events] == list(range(last + 1, last + 1 + len(events)))
    assert kinds(events) == ["StepFinished", "StepStarted", "StepFinished", "ProcessFinished"]


async def test_a_stream_is_an_async_iterator_with_aclose(m):
    handle = await m.start(Process("p", [echo]))
    async with handle.subscribe() as stream:
        assert stream.__aiter__() is stream
        assert (await anext(stream)).seq == 1
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await stream.aclose()
