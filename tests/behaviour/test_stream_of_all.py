"""The stream of all processes, in the order of their positions."""

from __future__ import annotations

import anyio

from procactors import Process
from tests.behaviour.history import history, only
from tests.behaviour.steps import echo
from tests.behaviour.test_streams import many_progresses

THREE = Process("p", {"a": echo, "b": echo, "c": echo})


async def test_a_slow_subscriber_misses_nothing_and_slows_nobody(file_world):
    """Ten thousand events of one process, read by one that falls behind at once."""
    steps = {f"step {n}": echo for n in range(1000)}
    async with file_world.manager() as m:
        handle = await m.start(Process("p", steps, timeout=None))
        async with m.subscribe() as everything:
            others = [await m.start(Process("q", steps, timeout=None)) for _ in range(4)]
            for other in [handle, *others]:
                await other.result()
            counted = dict.fromkeys([other.pid for other in others], 0)
            position = 0
            async for event in everything:
                assert event.position > position
                position = event.position
                if event.pid in counted:
                    counted[event.pid] += 1
                    assert event.seq == counted[event.pid]
                    if all(count == 2003 for count in counted.values()):
                        break
        assert [event.seq for event in await history(m, handle.pid)] == list(range(1, 2004))


async def test_the_stream_of_all_begins_now_and_is_in_position_order(m):
    before = await m.start(THREE)
    await before.result()
    async with m.subscribe() as events:
        handles = [await m.start(THREE) for _ in range(5)]
        seen = []
        while len(only(seen, "ProcessFinished")) < 5:
            seen.append(await anext(events))
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions))
    assert {event.pid for event in seen} == {handle.pid for handle in handles}
    for handle in handles:
        assert [event.seq for event in seen if event.pid == handle.pid] == list(range(1, 10))


async def test_the_stream_of_all_after_a_position_is_the_rest(m):
    handles = [await m.start(THREE) for _ in range(3)]
    for handle in handles:
        await handle.result()
    everything = await read(m, 0, 27)
    assert len({event.position for event in everything}) == 27
    for after in (1, 2, 13, 26):
        rest = await read(m, everything[after - 1].position, 27 - after)
        assert rest == everything[after:]
    own = [event for event in everything if event.pid == handles[1].pid]
    assert own == await history(m, handles[1].pid)


async def read(m, after, count):
    async with m.subscribe(after=after) as events:
        return [await anext(events) for _ in range(count)]


async def test_the_stream_of_all_never_ends_by_itself(m):
    async with m.subscribe() as events:
        handle = await m.start(THREE)
        await handle.result()
        for _ in range(9):
            await anext(events)
        with anyio.move_on_after(5) as scope:
            await anext(events)
        assert scope.cancelled_caught


async def test_the_stream_of_all_of_a_slow_reader_and_many_writers(file_world):
    async with (
        file_world.manager() as m,
        file_world.manager(run=False) as client,
        m.subscribe() as near,
        client.subscribe() as far,
    ):
        handles = [await m.start(THREE) for _ in range(100)]
        handles += [await client.start(THREE) for _ in range(100)]
        for handle in handles:
            await m.result(handle.pid)
        pids = {handle.pid for handle in handles}
        for stream in (near, far):
            seen = [await anext(stream) for _ in range(1800)]
            positions = [event.position for event in seen]
            assert positions == sorted(set(positions))
            assert {event.pid for event in seen} == pids


async def test_the_stream_of_all_includes_progress(m):
    async with m.subscribe() as events:
        handle = await m.start(Process("p", {"a": many_progresses}), {"n": 100})
        seen = []
        while not only(seen, "ProcessFinished"):
            seen.append(await anext(events))
        assert {event.pid for event in only(seen, "StepProgressed")} == {handle.pid}
    await handle.result()


async def test_positions_grow_through_a_restart(world):
    async with world.manager() as m:
        await (await m.start(THREE)).result()
        last = (await read(m, 0, 9))[-1].position
    async with world.manager() as m:
        handle = await m.start(THREE)
        await handle.result()
        assert (await history(m, handle.pid))[0].position > last
