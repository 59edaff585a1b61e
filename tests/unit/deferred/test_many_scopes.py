"""A thousand scopes at once: no update crosses, scopes are gone afterwards, memory stays flat."""

import gc
import tracemalloc
import weakref

import anyio
from anyio.lowlevel import checkpoint

from procactors.deferred import (
    DeferredScheduler,
    DeferredUpdates,
    Stage,
    current_updates,
    defer,
    deferred_scope,
)

REQUESTS = 1000


async def request(number, seen, scheduler):
    """Defer nested updates and check that each finds itself in its own scope."""
    updates = DeferredUpdates()
    mine = seen.setdefault(number, [])

    async def nested(level):
        assert current_updates() is updates
        await checkpoint()
        mine.append((number, level))
        if level:
            defer(nested, level - 1)

    with updates.as_current():
        defer(nested, 3)
        await checkpoint()
        defer(nested, 1, stage=Stage.PRESEND)
        await scheduler.run(updates)
        assert mine == [(number, 1)]
        scheduler.submit(updates)
    return weakref.ref(updates)


async def play_thousand(scopes):
    seen = {}

    async def play(number, scheduler):
        scopes.append(await request(number, seen, scheduler))

    async with (
        DeferredScheduler(max_running=100, drain_s=1000) as scheduler,
        anyio.create_task_group() as group,
    ):
        for number in range(REQUESTS):
            group.start_soon(play, number, scheduler)
    assert scheduler.statistics().report.ran == 6 * REQUESTS
    return seen


async def test_no_update_crosses_from_one_scope_into_another():
    scopes = []
    seen = await play_thousand(scopes)
    expected = [1, 3, 2, 1, 0, 0]
    assert all(seen[number] == [(number, level) for level in expected] for number in range(REQUESTS))
    del seen
    gc.collect()
    assert [scope() for scope in scopes] == [None] * REQUESTS


async def test_thousand_scopes_that_schedule_themselves(log):
    async def script(number):
        async with deferred_scope() as updates:
            await checkpoint()
            defer(lambda: defer(log.append, (number, current_updates() is updates)))
            await checkpoint()

    async with anyio.create_task_group() as group:
        for number in range(REQUESTS):
            group.start_soon(script, number)
    assert sorted(log) == [(number, True) for number in range(REQUESTS)]


async def test_memory_is_flat_over_many_scopes():
    async def rounds(n):
        for _ in range(n):
            async with deferred_scope(opportunistic=False):
                for _ in range(10):
                    defer(lambda: defer(lambda: None))
        gc.collect()

    await rounds(50)
    tracemalloc.start()
    try:
        await rounds(50)
        before, _ = tracemalloc.get_traced_memory()
        await rounds(200)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
