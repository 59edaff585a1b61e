"""Virtual time passes for whoever waits for a moment, however near it is."""

from __future__ import annotations

import anyio.lowlevel
import pytest

from procactors.testing import VirtualClock


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_time_passes_for_several_who_wait_for_a_moment_nearer_than_a_loop_can_tell():
    clock = VirtualClock()

    async def wait_until(moment, turns):
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        for _ in range(10):
            if (left := moment - clock.monotonic()) <= 0:
                return
            await anyio.sleep(left)
        pytest.fail("time stands still")

    clock.install()
    try:
        async with anyio.create_task_group() as tasks:
            for turns in range(3):
                tasks.start_soon(wait_until, clock.monotonic() + 1e-10, turns)
    finally:
        clock.uninstall()
