"""Plugins: of all managers on a store one runs each, each interval; another takes over when it dies."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from procactors import InvalidDefinitionError, ManagerOptions, Plugin, Process
from procactors._clock import to_datetime
from procactors.testing import explore_crashes
from tests.behaviour.steps import echo, gated

PATIENT = ManagerOptions(lease_s=1000)
"""Virtual time may run ahead of the threads that renew leases."""


class Ticks:
    """Notes when it runs, in which manager, and what it was told."""

    def __init__(self, clock, interval=10, key="ticks", error=None, gate=None):
        self.clock = clock
        self.interval = interval
        self.key = key
        self.error = error
        self.gate = gate
        self.times = []
        self.last_runs = []
        self.managers = []

    async def run(self, manager, last_run):
        self.times.append(round(self.clock.wall() - 1_767_225_600, 1))
        self.last_runs.append(last_run and round(last_run.timestamp() - 1_767_225_600, 1))
        self.managers.append(manager.name)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


async def test_it_runs_at_once_and_then_every_interval(memory_world):
    ticks = Ticks(memory_world.clock)
    assert isinstance(ticks, Plugin)
    async with memory_world.manager(plugins=[ticks]) as m:
        await memory_world.clock.advance(35)
        assert ticks.times == [0, 10, 20, 30]
        assert ticks.last_runs == [None, 0, 10, 20]
        assert set(ticks.managers) == {m.name}


async def test_of_several_managers_one_runs_it_each_interval(world):
    ticks = Ticks(world.clock, interval=0.5)
    more = {"plugins": [ticks], "options": PATIENT}
    async with world.manager(**more), world.manager(**more), world.manager(**more):
        await world.clock.advance(2.2)
    assert ticks.times == [0, 0.5, 1, 1.5, 2]


async def test_an_interval_goes_on_over_a_restart(memory_world):
    ticks = Ticks(memory_world.clock, interval=100)
    for _ in range(3):
        async with memory_world.manager(plugins=[ticks]):
            await memory_world.clock.advance(40)
    assert ticks.times == [0, 100]


async def test_an_error_is_logged_and_the_next_run_comes_all_the_same(memory_world, caplog):
    ticks = Ticks(memory_world.clock, error=OSError("no network"))
    async with memory_world.manager(plugins=[ticks]):
        await memory_world.clock.advance(15)
    assert ticks.times == [0, 10]
    assert "plugin 'ticks' failed" in caplog.text
    assert "no network" in caplog.text


async def test_a_run_that_takes_longer_than_the_interval_is_not_run_twice_at_once(memory_world):
    gate = anyio.Event()
    ticks = Ticks(memory_world.clock, gate=gate)
    more = {"plugins": [ticks], "options": PATIENT}
    async with memory_world.manager(**more), memory_world.manager(**more):
        await memory_world.clock.advance(35)
        assert ticks.times == [0]
        gate.set()
        await memory_world.clock.advance(1)
        assert ticks.times[:2] == [0, 35]


@pytest.mark.parametrize("end", ["kill", "close"])
async def test_another_manager_begins_a_run_anew_that_was_cut_short(world, end):
    gate = anyio.Event()
    ticks = Ticks(world.clock, interval=1000, gate=gate)
    one = world.manager(plugins=[ticks])
    await one.open()
    await world.clock.advance(0.1)
    assert ticks.managers == [one.name]
    async with world.manager(plugins=[ticks]) as two:
        await world.clock.advance(0.3)
        await getattr(one, end)()
        gate.set()
        await world.clock.advance(8)
        assert ticks.managers == [one.name, two.name]
        assert ticks.last_runs == [None, None]


class StartsOne(Ticks):
    """Needs an open manager for what it does."""

    async def run(self, manager, last_run):
        await super().run(manager, last_run)
        await manager.start(Process("p", [echo]))


async def test_a_run_that_its_closing_manager_lets_down_is_begun_anew(world, probe, caplog):
    one = world.manager(plugins=[failing := StartsOne(world.clock, interval=1000, gate=anyio.Event())])
    await one.open()
    await one.start(Process("p", {"a": gated}))
    await probe.reached["a"].wait()
    await world.clock.advance(0.1)
    async with anyio.create_task_group() as group:
        group.start_soon(one.close)
        await world.clock.settle()
        failing.gate.set()  # while the step holds up the end of its manager
        await world.clock.settle()
        probe.gates["a"].set()
    ticks = Ticks(world.clock, interval=1000)
    async with world.manager(plugins=[ticks]):
        await world.clock.advance(0.1)
    assert failing.last_runs == ticks.last_runs == [None]
    assert "failed" not in caplog.text


async def test_a_manager_that_is_taken_for_dead_gets_no_turn(memory_world):
    ticks = Ticks(memory_world.clock)
    async with memory_world.manager(plugins=[ticks]) as m:
        await memory_world.clock.advance(1)
        await memory_world.memory.unregister(m._room.member)
        await memory_world.clock.advance(20)
        assert ticks.times == [0]
        await memory_world.memory.register(m._room.member.identity, 5)  # it shows that it is alive
        memory_world.memory._connection.execute("UPDATE procactors_managers SET id = ?", (m._room.member.id,))
        await memory_world.clock.advance(5)
        assert ticks.times == [0, 22.5]


async def test_a_plugin_may_say_when_it_runs_next(memory_world):
    opened_at = to_datetime(memory_world.clock.wall())

    class Doubling(Ticks):
        def next_run(self, last_run):
            return (last_run or opened_at) + timedelta(seconds=2 ** len(self.times))

    ticks = Doubling(memory_world.clock)
    async with memory_world.manager(plugins=[ticks]):
        await memory_world.clock.advance(20)
    assert ticks.times == [1, 3, 7, 15]


async def test_it_uses_the_manager(world):
    class Starts(Ticks):
        async def run(self, manager, last_run):
            await manager.start(Process("p", [echo]), {"x": 1}, key="once")

    async with world.manager(plugins=[Starts(world.clock)]) as m:
        await world.clock.advance(0.5)
        (info,) = await m.list()
        assert await m.result(info.pid) == {"x": 1}


async def test_a_client_runs_no_plugin(memory_world):
    ticks = Ticks(memory_world.clock)
    async with memory_world.manager(plugins=[ticks], run=False):
        await memory_world.clock.advance(30)
    assert ticks.times == []


async def test_what_is_no_plugin_is_refused(memory_world):
    clock = memory_world.clock
    bad = [[object()], [Ticks(clock, interval=0)], [Ticks(clock, interval="1")], [Ticks(clock, key=7)]]
    for plugins in (*bad, [Ticks(clock), Ticks(clock)]):
        with pytest.raises(InvalidDefinitionError):
            memory_world.manager(plugins=plugins)


class Once:
    """Starts a process at its second run."""

    key, interval = "once", 5

    async def run(self, manager, last_run):
        if last_run is not None:
            await manager.start(Process("p", [echo]), {"x": 1}, key="k")


async def test_a_crash_at_any_commit_loses_no_run():
    async def scenario(m):
        await m.clock.advance(30)  # a manager that is killed in the middle of a run is missed after its lease
        (info,) = await m.list()
        return await m.result(info.pid)

    report = await explore_crashes(scenario, plugins=[Once()])
    assert report.output == {"x": 1}
    assert report.crashes == 2 * report.commits
