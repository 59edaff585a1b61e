"""Programs that are killed, kill themselves, are told to stop, or block: with real OS processes."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager

import anyio
import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.programs import CRASH_LIMIT, LEASE_S, SHORT_LEASE
from tests.crash.victim import running

PROGRAM = "tests.crash.programs"
PROGRAMS = 5


@asynccontextmanager
async def client_of(database):
    async with ProcessManager(f"sqlite:///{database}", run=False) as client:
        yield client


async def outcome(database):
    """Return how the one process in the store stands, and its history."""
    async with client_of(database) as client:
        (info,) = await client.list()
        return info, await client._room.store.history(info.pid, 0, 1000)  # also of one that goes on


def kinds(history):
    return [type(event).__name__ for event in history]


def seconds_between(first, second):
    return float(second[0]) - float(first[0])


# Killed.


async def test_a_new_manager_takes_over_from_a_killed_one_long_before_its_lease_is_over(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "hangs", database, "hang") as first:
        await first.wrote("begin")
        await first.kill()
    async with running(PROGRAM, "hangs", database) as second:
        assert await second.ended() == 0, second.log
        print(seconds_between(second.noted("start")[0], second.noted("begin")[0]))  # noqa: T201 - the figure
    assert second.noted("begin")[0][2] == "2", "after kill -9 the attempt grows"
    info, history = await outcome(database)
    assert info.output == {"quick": 2, "came_back": True}
    assert kinds(history).count("ProcessRecovered") == 1


async def test_a_manager_that_stands_by_takes_over_from_a_killed_one_long_before_its_lease_is_over(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "hangs", database, "hang") as first:
        await first.wrote("begin")
        async with running(PROGRAM, "hangs", database) as second:
            await second.wrote("listens")
            await first.kill()
            await second.wrote("begin")
            assert await second.ended() == 0, second.log
    info, _ = await outcome(database)
    assert info.output == {"quick": 2, "came_back": True}


async def test_a_process_that_kills_its_program_again_and_again_is_failed_after_the_limit(tmp_path):
    database = tmp_path / "a.db"
    kills = 0
    while True:
        async with running(PROGRAM, "crash-loop", database) as victim:
            code = await victim.ended()
        if code == 0:
            break
        assert code == -signal.SIGKILL, victim.log
        kills += 1
        assert [line[2] for line in victim.noted("begin")] == [str(kills)]
    assert kills == CRASH_LIMIT
    assert victim.noted("ended", "ProcessFailedError")
    info, history = await outcome(database)
    assert info.status is ProcessStatus.FAILED
    assert info.error.type == "CrashLoopError"
    assert "3 times in a row" in info.error.message
    assert info.error.step == "kills"
    assert kinds(history).count("ProcessRecovered") == kills


async def test_a_step_that_may_run_only_once_is_not_run_again_after_a_kill(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "once", database, "hang") as first:
        await first.wrote("begin")
        await first.kill()
    _, history = await outcome(database)
    assert history[-1].step == "hangs"
    assert kinds(history)[-1] == "StepStarted", "its start was durable before it ran"
    async with running(PROGRAM, "once", database) as second:
        assert await second.ended() == 0, second.log
    assert not second.noted("begin")
    assert second.noted("ended", "ProcessFailedError")
    info, _ = await outcome(database)
    assert info.status is ProcessStatus.FAILED
    assert "at_most_once" in info.error.message
    assert (info.error.step, info.error.attempt) == ("hangs", 1)


async def test_programs_that_open_a_new_store_at_the_same_moment_share_it(tmp_path):
    database = tmp_path / "a.db"
    begun = []

    async def run_one():
        async with running(PROGRAM, "takes-a-moment", database) as program:
            assert await program.ended() == 0, program.log
            begun.extend(program.noted("begin"))

    async with anyio.create_task_group() as group:
        for _ in range(PROGRAMS):
            group.start_soon(run_one)
    assert len(begun) == 2, "one process of two steps, each of them run once, by one of the programs"
    info, history = await outcome(database)
    assert info.status is ProcessStatus.FINISHED
    assert kinds(history).count("StepStarted") == 2


# Told to stop.


async def test_a_graceful_shutdown_costs_no_attempt(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "hangs", database, "hang") as first:
        await first.wrote("begin")
        await first.wrote("listens")
        assert await first.kill(signal.SIGTERM) == 0, first.log
        assert first.noted("closed")
    info, history = await outcome(database)
    assert (info.status, info.attempt, info.owner) == (ProcessStatus.QUEUED, 1, None)
    assert kinds(history)[-1] == "ProcessReleased"
    async with running(PROGRAM, "hangs", database) as second:
        assert await second.ended() == 0, second.log
    assert second.noted("begin")[0][2] == "1"
    info, history = await outcome(database)
    assert info.status is ProcessStatus.FINISHED
    assert "ProcessRecovered" not in kinds(history)


async def test_a_graceful_shutdown_waits_for_the_checkpoint_of_a_running_step(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "takes-a-moment", database, "hang") as first:
        await first.wrote("listens")
        await first.wrote("begin")
        assert await first.kill(signal.SIGTERM) == 0, first.log
        assert len(first.noted("begin")) == 1, "no further step has begun"
    info, history = await outcome(database)
    assert info.last_completed_step == "moment"
    assert kinds(history)[-2:] == ["StepFinished", "ProcessReleased"]
    async with client_of(database) as client:
        assert [member.identity.kind for member in await client.managers()] == ["client"]


# Asleep, and blocked.


@pytest.mark.slow
async def test_a_program_that_slept_beyond_its_lease_can_not_write_over_who_took_over(tmp_path):
    """As a laptop does whose lid is closed: it wakes up amid a step that others have done since."""
    database = tmp_path / "a.db"
    async with running(PROGRAM, "takes-a-while", database) as sleeper:
        await sleeper.wrote("begin")
        sleeper.process.send_signal(signal.SIGSTOP)
        async with running(PROGRAM, "takes-a-while", database) as rival:
            begun = await rival.wrote("begin")
            assert seconds_between(sleeper.noted("begin")[0], begun) >= LEASE_S
            assert await rival.ended() == 0, rival.log
        sleeper.process.send_signal(signal.SIGCONT)
        await sleeper.wrote("end")
        assert await sleeper.ended() == 0, sleeper.log
        assert sleeper.noted("finished")[0][2:] == rival.noted("finished")[0][2:]
    assert "run by another manager now" in sleeper.log
    info, history = await outcome(database)
    assert info.output == {"took": "a while", "quick": 1}
    finished = [(event.step, event.attempt) for event in history if type(event).__name__ == "StepFinished"]
    assert finished == [("while", 2), ("after", 1)]


@pytest.mark.slow
async def test_a_blocked_loop_is_reported_with_its_step_and_stack_and_loses_no_lease(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "blocks", database) as blocked:
        begun = await blocked.wrote("begin")
        url = f"sqlite:///{database}"
        async with ProcessManager(url, name="rival", options=SHORT_LEASE) as rival:
            (info,) = await rival.list()
            assert await rival.result(info.pid) == {"blocked": True, "quick": 1}
        finished = await blocked.wrote("finished")
        assert seconds_between(begun, finished) > 2 * LEASE_S
        assert await blocked.ended() == 0, blocked.log
    _, history = await outcome(database)
    assert kinds(history) == [
        "ProcessQueued", "ProcessStarted", "StepStarted", "StepFinished", "StepStarted", "StepFinished",
        "ProcessFinished",
    ]  # fmt: skip
    assert len(blocked.noted("begin")) == 1
    assert f"by step 'blocks' of process {info.pid};" in blocked.log
    assert "in blocks_the_loop" in blocked.log
    assert "time.sleep(BLOCKED_S)" in blocked.log
    assert blocked.log.count("step 'blocks' of process") == 1, "once for each time"
