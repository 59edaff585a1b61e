"""A queue that is paused, resumed or drained from a shell, under managers in other OS processes."""

from __future__ import annotations

import sys

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running
from tests.fleet.yard import FREE, GATED, NAP

YARD, PATIENCE_S = "tests.fleet.yard", 60


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/queues.db"


async def shell(url, *words):
    """Type a command; return its exit code, and what it said to a person."""
    with anyio.fail_after(PATIENCE_S):
        command = [sys.executable, "-m", "procactors", *map(str, words), "--db", url]
        done = await anyio.run_process(command, check=False)
    return done.returncode, done.stderr.decode()


async def came_through(client, plan):
    """Start one and wait for its end: whatever a manager was to do before, it has had the time for."""
    with anyio.fail_after(PATIENCE_S):
        await (await client.start(plan, {"n": 1})).result()


async def test_a_pause_holds_the_managers_of_other_programs_and_outlives_them(url, tmp_path):
    async with ProcessManager(url, run=False) as client:
        async with running(YARD, url, "first", tmp_path) as first:
            await first.wrote("open")
            assert await shell(url, "pause", "free") == (0, "free is paused: `resume` ends that\n")
            held = [await client.start(FREE, {"n": n}) for n in range(3)]
            await came_through(client, NAP)
            assert not first.noted("said", "free")
            await first.kill()
        async with running(YARD, url, "second", tmp_path) as second:
            await came_through(client, NAP)
            assert [(await one.info()).status for one in held] == ["queued"] * 3
            assert await shell(url, "resume", "free") == (0, "free is not paused\n")
            with anyio.fail_after(PATIENCE_S):
                assert [await one.result() for one in held] == [{"n": n} for n in range(3)]
            await second.wrote("said", "free", times=3)


async def test_a_drain_waits_for_what_runs_elsewhere_and_lets_nothing_begin(url, tmp_path):
    async with ProcessManager(url, run=False) as client, running(YARD, url, "yard", tmp_path) as yard:
        first = await client.start(GATED, {"n": 1})
        await yard.wrote("begin", "gate")
        code, said = await shell(url, "drain", "gated", "--timeout", 0)
        assert (code, "something still runs" in said) == (1, True)
        second = await client.start(GATED, {"n": 2})
        await came_through(client, FREE)
        assert (await second.info()).status == "queued"
        async with running("procactors", "drain", "gated", "--db", url) as drain:
            (tmp_path / "gate").touch()
            assert await drain.ended() == 0, drain.log
        assert (await first.info()).status == "finished"
        assert (await second.info()).status == "queued"
        assert (await shell(url, "resume", "gated"))[0] == 0
        with anyio.fail_after(PATIENCE_S):
            await second.result()


async def test_a_drain_is_over_when_the_manager_is_killed_that_ran_the_last(url, tmp_path):
    async with ProcessManager(url, run=False) as client, running(YARD, url, "heir", tmp_path) as heir:
        await heir.wrote("open")
        async with running(YARD, url, "gone", tmp_path, "slots=1") as gone:
            await gone.wrote("open")
            handles = [
                await client.start(GATED, {"n": n}) for n in range(17)
            ]  # one more than the heir can run
            await gone.wrote("begin", "gate")
            await gone.kill()
        async with running("procactors", "drain", "--db", url) as drain:
            (tmp_path / "gate").touch()
            assert await drain.ended() == 0, drain.log
        statuses = [(await handle.info()).status for handle in handles]
        assert sorted(set(statuses)) in (["finished", "queued"], ["finished"])
        assert (await shell(url, "resume"))[0] == 0
        with anyio.fail_after(PATIENCE_S):
            for handle in handles:
                await handle.result()
