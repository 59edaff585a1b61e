import anyio
import pytest

from procactors._wakeup import new_wakeup, wake


async def wait_then_note(wakeup, noted):
    await wakeup
    noted.append("woken")


async def test_task_goes_on_when_it_is_woken():
    wakeup, noted = new_wakeup(), []
    async with anyio.create_task_group() as group:
        group.start_soon(wait_then_note, wakeup, noted)
        await anyio.wait_all_tasks_blocked()
        assert noted == []
        wake(wakeup)
    assert noted == ["woken"]


async def test_wake_may_come_before_the_wait_and_twice():
    wakeup = new_wakeup()
    wake(wakeup)
    wake(wakeup)
    with anyio.fail_after(60):
        await wakeup


async def test_cancelled_wait_may_still_be_woken():
    wakeup, noted = new_wakeup(), []
    async with anyio.create_task_group() as group:
        group.start_soon(wait_then_note, wakeup, noted)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    wake(wakeup)
    assert noted == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_on_asyncio_a_wait_makes_no_event(monkeypatch):
    monkeypatch.setattr(anyio, "Event", None)
    wakeup = new_wakeup()
    wake(wakeup)
    await wakeup
