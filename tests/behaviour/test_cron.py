"""The cron plugin: one process per instant, for all managers, whatever crashes; what was missed."""

from __future__ import annotations

import pytest

from procactors import InvalidDefinitionError, ManagerOptions, Process, StoreUnavailableError
from procactors.cron import CronPlugin
from procactors.stores._batch import Insert
from procactors.testing import SimulatedStore, explore_crashes
from tests.behaviour.steps import echo

P = Process("p", [echo], keep=30 * 86_400)


async def started(m):
    """Return when processes were started for what instants, oldest first."""
    infos = await m.list(limit=1000)
    return [info.key.removeprefix("cron p ") for info in reversed(infos)]


async def test_each_instant_starts_one_process(memory_world):
    plugin = CronPlugin("0 */6 * * *", P, lambda instant: {"hour": instant.hour}, tags=["nightly"])
    async with memory_world.manager(plugins=[plugin]) as m:
        await memory_world.clock.advance("24h 1m")
        infos = (await m.list())[::-1]
        assert [info.output for info in infos] == [{"hour": 6}, {"hour": 12}, {"hour": 18}, {"hour": 0}]
        assert [info.created_at.hour for info in infos] == [6, 12, 18, 0]
        assert infos[0].tags == ("nightly",)


async def test_several_managers_start_it_once(world):
    more = {"options": ManagerOptions(lease_s=1000)}
    plugins = [CronPlugin("* * * * * */1", P, key="cron p")]
    async with world.manager(plugins=plugins, **more) as m, world.manager(plugins=plugins, **more):
        await world.clock.advance(3.5)
        keys = await started(m)
        assert len(keys) == len(set(keys)) == 3


async def test_instants_are_those_of_its_time_zone(memory_world):
    plugin = CronPlugin("30 2 * * *", P, timezone="Asia/Kolkata")
    async with memory_world.manager(plugins=[plugin]) as m:
        await memory_world.clock.advance("1d")
        assert await started(m) == ["2026-01-01T21:00:00+00:00"]


@pytest.mark.parametrize(
    ("misfire", "hours"),
    [("skip", [1, 5]), ("once", [1, 4, 5]), ("all", [1, 2, 3, 4, 5])],
)
async def test_what_was_missed_is_skipped_or_made_up_for(memory_world, misfire, hours):
    plugin = CronPlugin("0 * * * *", P, misfire=misfire)
    async with memory_world.manager(plugins=[plugin]):
        await memory_world.clock.advance("1h 10m")
    memory_world.clock._now += 3 * 3600 + 600
    async with memory_world.manager(plugins=[plugin]) as m:
        await memory_world.clock.advance("1h")
        assert await started(m) == [f"2026-01-01T0{hour}:00:00+00:00" for hour in hours]


async def test_an_instant_that_is_a_little_late_is_on_time(memory_world):
    plugin = CronPlugin("0 * * * *", P, misfire="skip", grace=900)
    async with memory_world.manager(plugins=[plugin]):
        await memory_world.clock.advance("10m")
    memory_world.clock._now += 3600
    async with memory_world.manager(plugins=[plugin]) as m:
        await memory_world.clock.advance("1m")
        assert await started(m) == ["2026-01-01T01:00:00+00:00"]


async def test_it_does_not_make_up_for_what_was_before_it_was_known(memory_world):
    async with memory_world.manager(plugins=[CronPlugin("0 * * * *", P, misfire="all")]) as m:
        await memory_world.clock.advance("30m")
        assert await m.list() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"expression": "every day"},
        {"expression": 7},
        {"expression": "0 0 30 2 *"},
        {"timezone": "Mars/Base"},
        {"timezone": "../etc"},
        {"misfire": "often"},
        {"grace": -1},
    ],
)
def test_what_is_no_schedule_is_refused(bad):
    with pytest.raises(InvalidDefinitionError):
        CronPlugin(**({"expression": "* * * * *", "process": P} | bad))


async def test_a_crash_at_any_commit_starts_each_instant_once():
    async def scenario(m):
        half_past_two = 1_767_225_600 + 2.5 * 3600
        await m.clock.advance(max(0, half_past_two - m.clock.wall()))
        infos = await m.list()
        return sorted([(info.key, await m.result(info.pid)) for info in infos])

    report = await explore_crashes(scenario, plugins=[CronPlugin("0 * * * *", P)])
    assert [key for key, _ in report.output] == [f"cron p 2026-01-01T0{hour}:00:00+00:00" for hour in (1, 2)]
    assert report.crashes == 2 * report.commits


class FullStore(SimulatedStore):
    """Has no room for new processes, until told otherwise."""

    is_full = True

    async def commit(self, operations):
        if self.is_full and any(isinstance(operation, Insert) for operation in operations):
            raise StoreUnavailableError("it is full")
        return await super().commit(operations)


async def test_an_instant_at_which_the_store_can_not_be_used_is_not_left_out(memory_world):
    store = FullStore(memory_world.memory)
    plugin = CronPlugin("*/10 * * * * *", P, key="cron p")
    async with memory_world.manager(store=store, plugins=[plugin]) as m:
        await memory_world.clock.advance(10 + 2 * ManagerOptions().store_patience_s)
        store.is_full = False
        await memory_world.clock.advance(5)
        assert await started(m) == [f"2026-01-01T00:00:{second}+00:00" for second in (10, 20, 30)]
