from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from procactors import ManagerOptions
from procactors.engine.stall import StallWatch
from procactors.observe import Observer


class Blocks(Observer):
    def __init__(self):
        self.seen = []

    def loop_blocked(self, seconds, step, stack):
        self.seen.append((step, stack))


class LateClear(threading.Event):
    """Cleared a moment after the watch was told to stop."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def clear(self):
        self.watch._stopping.set()
        self.set()
        super().clear()


@pytest.fixture
def blocks():
    return Blocks()


@pytest.fixture
async def watch(blocks):
    return StallWatch(
        SimpleNamespace(
            loop=asyncio.get_running_loop(),
            options=ManagerOptions(blocked_loop_s=0.05),
            observer=blocks,
            step_of_task=lambda _: "'s' of process 7",
        )
    )


async def test_a_stop_that_comes_in_the_middle_of_a_look_is_heard(watch):
    watch._answered = LateClear(watch)
    watch.start()
    watch._thread.join(10)
    assert not watch._thread.is_alive()


async def test_a_blocked_loop_is_reported_once_with_its_step_and_stack(watch, blocks, caplog):
    watch.start()
    reported = threading.Event()
    watch._room.observer.loop_blocked = lambda *what: (blocks.seen.append(what[1:]), reported.set())
    assert reported.wait(10), "this line blocks the loop"
    watch.stop()
    ((step, stack),) = blocks.seen
    assert step == "'s' of process 7"
    assert "reported.wait(10)" in stack
    assert "by step 's' of process 7;" in caplog.text


async def test_a_loop_that_turns_is_not_reported(watch, blocks):
    watch.start()
    watch.stop()
    assert blocks.seen == []
    assert not watch._thread.is_alive()
