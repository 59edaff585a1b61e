"""Managers that are suspended, or are taken for dead, and go on: in the middle of whatever they did."""

from __future__ import annotations

import anyio
import pytest

from procactors import Process, Step
from procactors.engine.messages import Errand
from procactors.testing import SimulatedStore, manager
from tests.behaviour.history import history, kinds, until, until_true
from tests.behaviour.steps import gated, grow


class LateAnswers(SimulatedStore):
    """The store of a program that is suspended while it hears who is alive."""

    late_s = 0.0

    async def members(self):
        found = await self._inner.members()
        late_s, self.late_s = self.late_s, 0.0
        await anyio.sleep(late_s)
        return found


async def test_who_was_suspended_takes_nothing_away_from_managers_that_live(memory_world, probe):
    late = LateAnswers(memory_world.memory)
    async with memory_world.manager() as m, memory_world.manager(store=late):
        handle = await m.start(Process("p", {"a": gated, "b": grow}, timeout=None))
        late.late_s = 30
        await memory_world.clock.advance(40)
        assert not late.late_s
        probe.gates["a"].set()
        assert await handle.result() == {"trail": ["b"]}
        assert "ProcessRecovered" not in kinds(await history(m, handle.pid))


async def waits(data, ctx, *, probe):
    return await gated(data, ctx)


async def waits_for_child(data, ctx, *, probe):
    probe.note(data, ctx)
    return await ctx.run(CHILD)


CHILD = Process("child", [Step("waits", waits, services=("probe",))], timeout=None)


@pytest.mark.parametrize("first", [waits, waits_for_child])
async def test_who_takes_up_again_what_was_taken_from_it_does_not_wait_for_its_former_attempt(
    memory_world, probe, first
):
    process = Process("p", [Step("first", first, services=("probe",))], timeout=None)
    async with memory_world.manager(max_running=3) as m:
        handle = await m.start(process)
        await memory_world.clock.advance(1)
        assert probe.calls
        await memory_world.memory.unregister(m._room.member)
        async with manager(clock=memory_world.clock, store=memory_world.memory, seed=7) as without_services:
            await until(without_services, handle.pid, "ProcessRecovered")
        with anyio.fail_after(60):
            await until_true(lambda: has_begun_again(probe))
        for gate in ("first", "waits"):
            probe.gates[gate].set()
        assert await handle.result() == {}


async def has_begun_again(probe):
    return ("first", 2) in probe.calls


async def test_what_one_takes_up_that_is_taken_for_dead_and_dies_is_found_all_the_same(memory_world, probe):
    async with memory_world.manager() as m:
        zombie = memory_world.manager(max_running=1)
        await zombie.open()
        await memory_world.memory.unregister(zombie._room.member)
        handle = await zombie.start(Process("p", {"a": gated, "b": grow}, timeout=None))
        await probe.reached["a"].wait()
        await zombie.kill()
        probe.gates["a"].set()
        with anyio.fail_after(6):
            assert await m.result(handle.pid) == {"trail": ["b"]}


async def test_who_is_taken_for_dead_does_not_take_its_own_processes_for_those_of_nobody(memory_world, probe):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": gated, "b": grow}, timeout=None))
        await probe.reached["a"].wait()
        await memory_world.memory.unregister(m._room.member)
        m._room.supervisor.tell(Errand("adopt"))
        await memory_world.clock.advance(1)
        probe.gates["a"].set()
        assert await handle.result() == {"trail": ["b"]}
        assert "ProcessRecovered" not in kinds(await history(m, handle.pid))
