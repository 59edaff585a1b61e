"""The heap of timers: due in order, never when cancelled, and never late because of a long wait."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procactors._clock import SystemClock
from procactors.actors._timers import TimerHeap
from tests.unit.actors.samples import LoopClock, happens, in_real_time, turns, until


class HandClock(SystemClock):
    """Stands still until it is set."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
async def heap():
    heap = TimerHeap(LoopClock())
    async with anyio.create_task_group() as group:
        group.start_soon(heap.run)
        await turns()
        yield heap
        group.cancel_scope.cancel()


async def test_timer_is_called_when_it_is_due_and_not_before(heap):
    due, called = anyio.Event(), []
    begun = anyio.current_time()
    heap.after(0.01, lambda: (called.append(anyio.current_time()), due.set()))
    assert len(heap) == 1
    await happens(due)
    assert called[0] >= begun + 0.01
    assert len(heap) == 0


async def test_timer_that_is_due_sooner_does_not_wait_for_a_later_one(heap):
    heap.after(3600, lambda: None)
    await turns()
    due = anyio.Event()
    heap.after(0, due.set)
    await happens(due)


async def test_timer_whose_time_is_past_is_called_soon(heap):
    due = anyio.Event()
    heap.at(anyio.current_time() - 100, due.set)
    await happens(due)


async def test_cancelled_timer_is_never_called(heap):
    called = []
    timer = heap.after(0, lambda: called.append("cancelled"))
    timer.cancel()
    timer.cancel()
    due = anyio.Event()
    heap.after(0.001, due.set)
    await happens(due)
    assert called == []


async def test_cancelling_a_timer_that_was_called_does_nothing(heap):
    due = anyio.Event()
    timer = heap.after(0, due.set)
    await happens(due)
    timer.cancel()
    assert len(heap) == 0


async def test_timers_are_called_at_the_end_since_somebody_may_wait_for_them():
    heap, called = TimerHeap(LoopClock()), []
    async with anyio.create_task_group() as group:
        group.start_soon(heap.run)
        heap.after(3600, lambda: called.append(1))
        await turns()
        group.cancel_scope.cancel()
    assert called == [1]


async def test_timer_set_by_a_timer_is_called_too(heap):
    due = anyio.Event()
    heap.after(0, lambda: heap.after(0, due.set))
    await happens(due)


def test_heap_does_not_keep_what_was_cancelled():
    heap = TimerHeap(HandClock())
    kept = [heap.at(n, lambda: None) for n in range(10)]
    for _ in range(1000):
        heap.after(3600, lambda: None).cancel()
    assert len(heap) == len(kept)
    assert len(heap._heap) < 200


@given(st.lists(st.tuples(st.sampled_from(["set", "cancel", "pass"]), st.integers(0, 20)), max_size=200))
def test_heap_calls_what_a_plain_list_would(steps):
    clock = HandClock()
    heap, called, waiting, timers = TimerHeap(clock), [], {}, {}
    for number, (what, amount) in enumerate(steps):
        if what == "set":
            waiting[number] = clock.now + amount
            timers[number] = heap.after(amount, lambda number=number: called.append(number))
        elif what == "cancel" and timers:
            chosen = sorted(timers)[amount % len(timers)]
            timers[chosen].cancel()
            waiting.pop(chosen, None)
        else:
            clock.now += amount
            before = len(called)
            heap._fire_until(clock.now)
            due = {number for number, when in waiting.items() if when <= clock.now}
            assert set(called[before:]) == due
            times = [waiting.pop(number) for number in called[before:]]
            assert times == sorted(times)
        assert len(heap) == len(waiting)


@in_real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # asyncio's loop takes no virtual time
async def test_many_timers_are_called_in_order(heap):
    called = []
    now = anyio.current_time()
    for n in range(1000):
        heap.at(now + (n * 7 % 1000) / 1e5, lambda n=n: called.append(n * 7 % 1000))
    await until_all(called)
    assert called == sorted(called)


async def until_all(called):
    with anyio.fail_after(60):
        await until(lambda: len(called) == 1000)
