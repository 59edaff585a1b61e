"""Virtual time passes for whoever waits for a moment, however near it is."""

from __future__ import annotations

import anyio
import pytest

from procactors.testing import VirtualClock


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_pause_that_a_loop_takes_for_none_takes_its_time_all_the_same():
    clock = VirtualClock()
    clock.install()
    try:
        await anyio.sleep(10)
        moment = clock.monotonic() + 1e-10
        pauses = 0
        while (left := moment - clock.monotonic()) > 0:
            pauses += 1
            assert pauses < 10, "time stands still"
            await anyio.sleep(left)
    finally:
        clock.uninstall()
    assert pauses == 1
