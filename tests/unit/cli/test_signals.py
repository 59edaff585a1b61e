"""Ctrl-C while a manager runs in this program."""

from __future__ import annotations

import signal

import anyio
import pytest

from procactors.cli.signals import StoppedError, until_stopped


async def test_work_that_ends_by_itself_gives_its_result():
    async def work():
        return 3

    assert await until_stopped(work, list) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signal_cancels_the_work_and_lets_it_clean_up(number, code):
    did = []

    async def work():
        try:
            signal.raise_signal(number)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            did.append("cleaned up")

    with pytest.raises(StoppedError) as caught:
        await until_stopped(work, lambda: did.append("announced"))
    assert caught.value.exit_code == code
    assert did == ["announced", "cleaned up"]


async def test_error_of_the_work_is_raised():
    async def work():
        raise KeyError("x")

    with pytest.raises(ExceptionGroup) as caught:
        await until_stopped(work, list)
    assert caught.group_contains(KeyError)
