"""An engine that fails again and again ends; others run what it ran, and whoever asks hears of it."""

from __future__ import annotations

import anyio
import pytest

from procactors import ActorStoppedError, ManagerOptions, Process, StoreUnavailableError
from procactors.engine.messages import Committed
from tests.behaviour.history import until_true
from tests.behaviour.steps import gated


async def is_broken(*_):
    raise RuntimeError("broken beyond repair")


async def give_up(m):
    """Let an actor of the engine fail, and each of its next lives."""
    m._room.store.positions = is_broken
    m._room.streams.tell(Committed(None, ()))
    await until_true(lambda: has_ended(m))


async def has_ended(m):
    return not m.health().is_live


@pytest.mark.parametrize("waits", [False, True])
async def test_others_take_over_what_it_ran(file_world, probe, waits):
    async with (
        file_world.manager() as doomed,
        file_world.manager() as heir,
        anyio.create_task_group() as group,
    ):
        handle = await doomed.start(Process("p", {"a": gated}), {"x": 1})
        await probe.reached["a"].wait()
        if waits:
            group.start_soon(is_told, doomed, handle.pid)
        await give_up(doomed)
        probe.gates["a"].set()
        assert await heir.result(handle.pid) == {"x": 1}
        assert probe.steps == ["a", "a"]
        assert [member.identity.name for member in await heir.managers()] == [heir.name]


async def is_told(m, pid):
    with pytest.raises(ActorStoppedError):
        await m.result(pid)


async def test_it_says_so(m):
    assert (m.health().is_live, m.health().is_ready, m.health().reason) == (True, True, "")
    await give_up(m)
    health = m.health()
    assert (health.is_live, health.is_ready) == (False, False)
    assert "its engine has ended with an error" in health.reason
    with pytest.raises(ActorStoppedError):
        await m.start(Process("p", {"a": gated}))


async def test_before_and_after_its_life_a_manager_is_live_and_not_ready(world):
    m = world.manager()
    assert (m.health().is_live, m.health().is_ready) == (True, False)
    async with m:
        assert m.health().is_ready
    assert (m.health().is_live, m.health().is_ready, m.health().reason) == (True, False, "it is closed")


async def test_while_it_waits_for_running_steps_it_is_closing(m, probe):
    await m.start(Process("p", {"a": gated}))
    await probe.reached["a"].wait()
    async with anyio.create_task_group() as group:
        group.start_soon(m.close)
        await anyio.wait_all_tasks_blocked()
        assert (m.health().is_live, m.health().is_ready) == (True, False)
        assert "closing" in m.health().reason
        probe.gates["a"].set()


async def cant_write(*_):
    raise StoreUnavailableError("the disk is full")


async def test_what_could_not_be_released_at_the_end_is_taken_over(file_world, probe):
    hasty = ManagerOptions(grace_s=0.1, kill_grace_s=0.1, store_patience_s=0.5, lease_s=20)
    async with file_world.manager() as heir:
        async with file_world.manager(options=hasty) as doomed:
            handle = await doomed.start(Process("p", {"a": gated}), {"x": 1})
            await probe.reached["a"].wait()
            doomed._room.store.commit = cant_write
        probe.gates["a"].set()
        assert (await heir.info(handle.pid)).status == "running"
        with anyio.fail_after(60):
            assert await heir.result(handle.pid) == {"x": 1}
        assert probe.steps == ["a", "a"]
