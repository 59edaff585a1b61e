"""`Sleep`: a step that is nothing but a pause; durable, and without memory while it lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from procactors import (
    InvalidDefinitionError,
    Process,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    StepStatus,
    run_steps,
)
from procactors.testing import crash_test
from tests.behaviour.history import history, kinds, only, until, until_status
from tests.behaviour.steps import ask, echo, fail_often, grow, note, sleeps

WEEK = 7 * 86_400


def napping(seconds=60, **more):
    return Process("p", {"a": grow, "nap": Sleep(seconds), "b": grow}, **more)


async def test_a_sleep_hands_its_input_on_when_its_time_has_passed(world):
    async with world.manager() as m:
        began = world.clock.wall()
        handle = await m.start(napping(2), {"x": 1})
        assert await handle.result() == {"x": 1, "trail": ["a", "b"]}
        assert 2 <= world.clock.wall() - began <= 2.2


async def test_a_sleeping_process_is_seen_to_sleep_and_owned_by_nobody(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(napping(), {})
        seen = await until(m, handle.pid, "ProcessSleeping")
        info = await handle.info()
        assert (info.status, info.step, info.owner, info.error) == ("sleeping", "nap", None, None)
        assert info.steps == {"a": "completed", "nap": "running", "b": "pending"}
        assert info.data == {"trail": ["a"]}
        assert info.due_at == seen[-1].due_at == seen[-1].at + timedelta(seconds=60)
        assert seen[-1].step == "nap"
        assert not [row for row in m.tree() if handle.pid in row.name]


async def test_a_sleep_is_a_step_in_the_history(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(napping(), {})
        await handle.result()
        events = await history(m, handle.pid)
        assert [(type(x).__name__, getattr(x, "step", "")) for x in events][2:] == [
            ("StepStarted", "a"),
            ("StepFinished", "a"),
            ("StepStarted", "nap"),
            ("ProcessSleeping", "nap"),
            ("ProcessResumed", ""),
            ("StepFinished", "nap"),
            ("StepStarted", "b"),
            ("StepFinished", "b"),
            ("ProcessFinished", ""),
        ]
        assert [done.output for done in only(events, "StepFinished")][:2] == [{"trail": ["a"]}] * 2
        info = await handle.info()
        assert set(info.steps.values()) == {StepStatus.COMPLETED}


async def test_sleep_does_not_count_towards_the_timeout(memory_world):
    steps = {"a": sleeps, "nap": Sleep(WEEK), "b": sleeps}
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", steps, timeout=5), {"s": 2})
        await until(m, handle.pid, "ProcessSleeping")
        assert (await handle.info()).deadline_at is None
        assert await handle.result() == {"s": 2}
        slow = await m.start(Process("p", steps, timeout=3), {"s": 2})
        with pytest.raises(ProcessTimedOutError):
            await slow.result()


async def test_a_sleep_until_a_moment_ends_then(world):
    async with world.manager() as m:
        moment = datetime.fromtimestamp(world.clock.wall() + 3, UTC)
        handle = await m.start(Process("p", {"nap": Sleep(until=moment), "b": echo}), {"x": 1})
        events = await history(m, handle.pid)
        assert only(events, "ProcessSleeping")[0].due_at == moment
        assert moment <= only(events, "StepFinished")[0].at <= moment + timedelta(seconds=0.2)


FIRST = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
LAST = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
"""Moments that UTC has no date for."""


async def test_a_sleep_for_ever_is_read_and_cancelled_like_any_other(m):
    handle = await m.start(Process("p", {"nap": Sleep(until=LAST), "b": echo}))
    await until_status(handle, "sleeping")
    assert (await handle.info()).due_at.year > 2200
    assert await handle.cancel()


@pytest.mark.parametrize(
    "pause", [Sleep(0), Sleep(until=datetime(1999, 1, 1, tzinfo=UTC)), Sleep(until=FIRST)], ids=str
)
async def test_a_sleep_that_is_over_already_is_no_pause(m, pause):
    handle = await m.start(Process("p", {"nap": pause, "b": echo}), {"x": 1})
    assert await handle.result(timeout=1) == {"x": 1}


async def test_what_is_claimed_and_has_no_time_to_sleep_goes_on_at_once(world):
    async with world.manager(run=False) as client:
        handle = await client.start(Process("p", {"nap": Sleep(0), "b": echo}), {"x": 1})
    async with world.manager() as m:
        assert await m.result(handle.pid, timeout=1) == {"x": 1}


async def test_a_sleep_may_come_first_last_and_after_another(m, world):
    began = world.clock.wall()
    handle = await m.start(
        Process("p", {"one": Sleep(1), "two": Sleep(1), "a": note, "end": Sleep(1)}), {"x": 1}
    )
    assert await handle.result() == {"x": 1}
    assert 3 <= world.clock.wall() - began <= 3.4
    assert set((await handle.info()).steps.values()) == {"completed"}


async def test_a_process_of_nothing_but_sleep_hands_on_its_input(m):
    handle = await m.start(Process("p", [Sleep(1)]), {"x": 1})
    await until(m, handle.pid, "ProcessSleeping")
    assert (await handle.info()).steps == {"sleep": "running"}
    assert await handle.result() == {"x": 1}


async def test_sleepers_hold_no_slot(memory_world):
    async with memory_world.manager(max_running=1) as m:
        sleepers = [await m.start(napping(WEEK)) for _ in range(20)]
        assert await (await m.start(Process("p", [echo]), {"x": 1})).result(timeout=60) == {"x": 1}
        for sleeper in sleepers:
            assert (await sleeper.result())["trail"] == ["a", "b"]


async def test_a_sleep_goes_on_in_the_next_manager(world, probe):
    async with world.manager() as m:
        handle = await m.start(napping(4), {})
        await until(m, handle.pid, "ProcessSleeping")
        due_at = (await handle.info()).due_at
        await m.kill()
    async with world.manager() as m:
        await m.result(handle.pid)
        events = await history(m, handle.pid)
        assert "ProcessRecovered" not in kinds(events)
        assert due_at <= only(events, "ProcessResumed")[0].at <= due_at + timedelta(seconds=0.2)
        assert probe.calls == [("a", 1), ("b", 1)]


async def test_a_sleep_that_ran_out_while_nobody_was_there_is_over_at_once(world):
    async with world.manager() as m:
        handle = await m.start(napping(2), {})
        await until(m, handle.pid, "ProcessSleeping")
    async with world.manager(run=False):
        await anyio.sleep(5)
    async with world.manager() as m:
        await m.result(handle.pid, timeout=1)


async def test_a_sleeping_process_can_be_cancelled(m, probe):
    handle = await m.start(napping(WEEK), {})
    await until(m, handle.pid, "ProcessSleeping")
    assert await handle.cancel(reason="enough")
    assert (await handle.info()).status == "cancelled"
    assert probe.steps == ["a"]


async def test_an_error_before_a_sleep_is_not_shown_while_it_sleeps(m, probe):
    probe.failures = 1
    steps = {"a": Step("a", fail_often, retry=Retry(delay=0.1)), "nap": Sleep(WEEK), "b": echo}
    handle = await m.start(Process("p", steps), {})
    asleep = await until(m, handle.pid, "ProcessSleeping")
    assert [event.error.type for event in only(asleep, "StepFailed")] == ["OSError"]
    assert (await handle.info()).error is None


async def test_an_answer_may_be_followed_by_a_sleep(m):
    handle = await m.start(Process("p", {"a": ask, "nap": Sleep(1), "b": grow}), {})
    await until(m, handle.pid, "ProcessInterrupted")
    await handle.proceed({"y": 1})
    assert await handle.result() == {"question": "?", "y": 1, "trail": ["b"]}


async def test_a_client_starts_and_sees_a_sleep_that_a_manager_keeps(file_world):
    async with file_world.manager(run=False) as client:
        handle = await client.start(Process("p", {"nap": Sleep(1), "b": grow}), {})
        assert (await handle.info()).status == "queued"
        async with file_world.manager():
            await until_status(handle, "sleeping")
            assert (await handle.info()).step == "nap"
            assert await handle.result() == {"trail": ["b"]}


async def test_a_step_after_a_sleep_that_nobody_knows_blocks_the_process_there(memory_world):
    steps = {"a": {"call": f"{__name__}:echoes"}, "nap": {"sleep": 10}, "b": {"call": "elsewhere.steps:b"}}
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec({"name": "p", "steps": steps}))
    async with memory_world.manager() as m:
        await m.clock.advance("5m")
        info = await m.info(handle.pid)
        assert (info.status, info.step) == ("blocked", "b")
        assert info.steps == {"a": "completed", "nap": "completed", "b": "pending"}


async def echoes(data):
    return data


Process("known", [echoes])


async def test_in_place_a_sleep_is_slept(memory_world):
    async with memory_world.manager() as m:
        began = m.clock.monotonic()
        assert await run_steps([echo, Sleep(3600)], {"x": 1}) == {"x": 1}
        assert m.clock.monotonic() - began == pytest.approx(3600)


async def test_whatever_crashes_a_sleep_is_slept_once_and_the_end_is_the_same():
    report = await crash_test(Process("p", {"a": echo, "nap": Sleep(WEEK), "b": echo}), {"x": 1})
    assert report.output == {"x": 1}
    assert report.crashes >= 6


SPECS = [
    ({"sleep": 60}, Sleep(60)),
    ({"sleep": 0.5}, Sleep(0.5)),
    ({"sleep": "2027-01-01T00:00:00+00:00"}, Sleep(until=datetime(2027, 1, 1, tzinfo=UTC))),
]


@pytest.mark.parametrize(("spec", "pause"), SPECS)
def test_a_sleep_has_a_spec(spec, pause):
    written = {"name": "p", "steps": {"nap": spec}}
    assert Process.from_spec(written) == Process("p", {"nap": pause})
    assert Process("p", {"nap": Step("nap", pause)}).to_spec() == written


BAD = [-1, "soon", None, True, float("nan"), float("inf"), [], "2027-01-01T00:00:00"]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_sleep_in_a_spec_is_refused_by_step_and_field(bad):
    with pytest.raises(InvalidDefinitionError, match=r"'nap', field 'sleep'"):
        Process.from_spec({"name": "p", "steps": {"nap": {"sleep": bad}}})


def test_a_sleep_takes_seconds_or_a_moment():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    for wrong in ({}, {"seconds": 1, "until": moment}, {"until": moment.replace(tzinfo=None)}, {"until": 5}):
        with pytest.raises(InvalidDefinitionError):
            Sleep(**wrong)


@pytest.mark.parametrize(
    "more", [{"timeout": 3}, {"retry": Retry()}, {"kwargs": {"x": 1}}, {"interrupts": True}]
)
def test_nothing_can_be_said_about_how_a_sleep_is_called(more):
    with pytest.raises(InvalidDefinitionError, match=f"'nap', field '{next(iter(more))}'"):
        Step("nap", Sleep(1), **more)
    field = next(iter(more))
    with pytest.raises(InvalidDefinitionError, match=f"'nap', field '{field}'"):
        Process.from_spec({"name": "p", "steps": {"nap": {"sleep": 1, field: 1}}})


def test_two_sleeps_in_a_list_need_names():
    with pytest.raises(InvalidDefinitionError, match="two steps named 'sleep'"):
        Process("p", [Sleep(1), Sleep(2)])
    assert Process("p", [Sleep(1), Step("later", Sleep(2))]).names == ("sleep", "later")
