"""A coroutine that can be left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import anyio
import pytest

from procactors.actors._leave import Leavable, LeftBehindError
from tests.unit.actors.samples import Hold, happens, ignore_the_end, turns, until

ASYNCIO_ONLY = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # on trio a wait can't be broken


async def test_coroutine_is_awaited_as_usual():
    async def work():
        await turns(3)
        return 42

    assert await Leavable(work()) == 42


async def test_error_comes_out_as_usual():
    async def work():
        await turns(3)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Leavable(work())


async def test_cancellation_goes_in_as_usual():
    cleaned = []

    async def work():
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(1)

    with anyio.move_on_after(0.001) as scope:
        await Leavable(work())
    assert scope.cancelled_caught
    assert cleaned == [1]


async def test_error_can_be_caught_inside():
    async def work():
        with anyio.move_on_after(0.001):
            await anyio.sleep_forever()
        return "went on"

    assert await Leavable(work()) == "went on"


class Wait:
    """What a loop would be asked to wait for."""

    def __await__(self):
        return (yield "wait")


def test_closing_the_outer_coroutine_closes_the_inner():
    cleaned = []

    async def work():
        try:
            await Wait()
        finally:
            cleaned.append(1)

    async def outer():
        await Leavable(work())

    coroutine = outer()
    assert coroutine.send(None) == "wait"
    coroutine.close()
    assert cleaned == [1]


@ASYNCIO_ONLY
async def test_coroutine_is_left_whatever_it_waits_for():
    outcome, waiting = [], anyio.Event()

    async def work():
        with anyio.CancelScope(shield=True):
            waiting.set()
            await ignore_the_end()

    drive = Leavable(work())

    async def run():
        try:
            await drive
        except LeftBehindError:
            outcome.append("left")
            assert asyncio.current_task().cancelling() == 0
            with anyio.CancelScope(shield=True):
                await turns(3)  # the task goes on with what comes after
            outcome.append("went on")

    task = asyncio.get_running_loop().create_task(run())
    await happens(waiting)
    drive.leave()
    drive.leave()
    await until(task.done)
    assert outcome == ["left", "went on"]


async def test_coroutine_that_comes_back_from_its_wait_is_left_there():
    """What trio can do, and asyncio too."""
    hold, went_on, outcome = Hold(), [], []

    async def work():
        await hold()
        went_on.append(1)

    drive = Leavable(work())

    async def run():
        try:
            await drive
        except LeftBehindError:
            outcome.append("left")

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await happens(hold.begun)
        drive.leave()
        hold.over.set()
    assert outcome == ["left"]
    assert went_on == []


def test_program_can_exit_although_it_left_a_coroutine_that_catches_everything():
    """Collecting the suspended coroutine would run it once more, and it would never come back."""
    program = """
import anyio
from procactors.actors._leave import Leavable, LeftBehindError

async def stubborn():
    while True:
        try:
            await anyio.sleep(0.001)
        except BaseException:
            pass

async def main():
    drive = Leavable(stubborn())
    async with anyio.create_task_group() as group:
        async def leave():
            drive.leave()
        group.start_soon(leave)
        try:
            await drive
        except LeftBehindError:
            print("left")

anyio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("left\n", "")
