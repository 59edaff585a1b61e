import anyio
from anyio.lowlevel import checkpoint

from procactors.deferred._exclusive import Exclusive


async def test_one_at_a_time_and_the_others_wait():
    turn = Exclusive()
    inside = peak = done = 0

    async def work():
        nonlocal inside, peak, done
        async with turn:
            inside += 1
            peak = max(peak, inside)
            await checkpoint()
            await checkpoint()
            inside -= 1
            done += 1

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(work)
    assert (peak, done, turn.is_held) == (1, 5, False)


async def test_waiter_that_is_cancelled_does_not_hold_it():
    turn = Exclusive()
    async with turn:
        with anyio.move_on_after(0):
            async with turn:
                raise AssertionError
        assert turn.is_held
    assert not turn.is_held
