"""Workers in odd situations: they never start, write rubbish, are cut short while they start, stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import msgspec
import pytest

from procactors import ManagerOptions, Process, Step
from procactors._clock import SystemClock
from procactors.executors._executor import Ending
from procactors.executors.call import prepare
from procactors.executors.context import StepContext
from procactors.executors.failure import FailedElsewhere
from procactors.executors.process_pool import ProcessPool
from tests.integration import worker_steps as steps


class Run:
    """One attempt, which notes what it hears."""

    def __init__(self, step):
        self.plan = Process("p", [step])
        self.has_begun = anyio.Event()
        self.endings = []

    def begun(self):
        self.has_begun.set()

    def progressed(self, done, total, text):
        pass

    def beat(self):
        pass

    def ended(self, ending):
        self.endings.append(ending)


class Bench:
    """A pool, and what runs in it."""

    def __init__(self, pool):
        self.pool = pool

    async def run(self, call, data=None, run=None):
        step = Step("s", call, executor="process")
        run = run or Run(step)
        ctx = StepContext("0" * 32, "s", 1, {}, run)
        prepared = prepare(step, {}, ())
        output = await self.pool.run(prepared, msgspec.Raw(msgspec.json.encode(data)), ctx, run)
        return msgspec.json.decode(output.data)


@pytest.fixture
def kill_grace_s():
    return 0.2


@pytest.fixture
async def bench(kill_grace_s):
    """A pool that leaves neither files open nor OS processes."""
    before = open_files()
    pool = ProcessPool(SystemClock(), ManagerOptions(workers=2, kill_grace_s=kill_grace_s, worker_steps=0))
    yield Bench(pool)
    await pool.close()
    assert open_files() == before
    assert not pool._workers


def state_of(os_pid):
    return Path(f"/proc/{os_pid}/stat").read_text().rpartition(") ")[2][0]


def open_files():
    """Return what this program has open, by number and kind; how much of it has been read does not matter."""
    found = {}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found[fd.name] = str(fd.readlink())
        except FileNotFoundError:  # that of this look itself
            continue
    return found


async def test_an_interpreter_that_is_not_there_fails_the_step(bench, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        await bench.run(steps.echo)


async def test_an_interpreter_that_can_not_start_fails_the_step_with_its_words(bench, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(FailedElsewhere) as caught:
        await bench.run(steps.echo)
    error = caught.value.failure.error
    assert (error.type, error.exit_code) == ("StepCrashedError", 1)
    assert "encodings" in error.stderr


async def test_the_words_of_an_interpreter_that_had_ended_at_once_are_kept(bench, monkeypatch):
    class Ended(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setattr(subprocess, "Popen", Ended)
    with pytest.raises(FailedElsewhere) as caught:
        await bench.run(steps.echo)
    assert "encodings" in caught.value.failure.error.stderr


async def test_rubbish_on_the_wire_ends_the_worker_and_fails_the_step(bench):
    with pytest.raises(FailedElsewhere) as caught:
        await bench.run(steps.scribble)
    assert caught.value.failure.error.type == "StepCrashedError"
    assert await bench.run(steps.echo, 1) == 1


async def test_large_data_goes_both_ways(bench):
    data = "ä" * 400_000
    assert await bench.run(steps.echo, data) == data


async def test_a_step_that_closes_its_streams_is_heard_all_the_same(bench):
    assert await bench.run(steps.close_streams, 1) == 1
    assert await bench.run(steps.echo, 2) == 2


async def test_a_signal_without_a_name_is_told_by_its_number(bench):
    with pytest.raises(FailedElsewhere) as caught:
        await bench.run(steps.kill_itself, signal.SIGRTMIN + 3)
    assert caught.value.failure.error.signal == f"signal {signal.SIGRTMIN + 3}"


@pytest.mark.parametrize("kill_grace_s", [60])
async def test_a_step_that_was_deaf_does_not_make_the_next_one_so(bench):
    os_pid = await bench.run(steps.ignore_sigterm)
    run = Run(Step("s", steps.wait, executor="process"))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run, steps.wait, None, run)
        await run.has_begun.wait()
        group.cancel_scope.cancel()
    assert run.endings[0].signal == "SIGTERM"
    assert await bench.run(steps.ignore_sigterm) != os_pid


@pytest.mark.parametrize("kill_grace_s", [60])
async def test_an_idle_worker_that_a_step_made_deaf_ends_by_itself_with_the_pool(bench):
    await bench.run(steps.ignore_sigterm)
    (worker,) = bench.pool._workers
    await bench.pool.close()
    assert worker.ending == Ending(exit_code=0, signal="SIGTERM")


@pytest.mark.parametrize("seconds", [0, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
async def test_a_step_may_be_cut_short_while_its_worker_starts(bench, seconds):
    run = Run(Step("s", steps.wait, executor="process"))
    with anyio.move_on_after(seconds) as scope:
        await bench.run(steps.wait, None, run)
    assert scope.cancelled_caught
    assert not bench.pool._workers, "its worker is gone when it is over"
    assert [ending.abandoned for ending in run.endings] in ([], [False])
    assert await bench.run(steps.echo, 1) == 1


async def test_a_worker_that_was_stopped_is_killed(bench):
    run = Run(Step("s", steps.stop_itself, executor="process"))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run, steps.stop_itself, None, run)
        await run.has_begun.wait()
        while state_of(next(iter(bench.pool._workers)).process.pid) != "T":  # noqa: ASYNC110 - nobody is told
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert run.endings == [Ending(signal="SIGKILL")]


async def test_a_worker_that_takes_too_long_to_retire_is_killed():
    pool = ProcessPool(SystemClock(), ManagerOptions(workers=1, kill_grace_s=0.2, worker_steps=1))
    bench = Bench(pool)
    await bench.run(steps.leave_thread)
    with anyio.fail_after(60):
        while pool._workers:  # noqa: ASYNC110 - nobody is told
            await anyio.sleep(0.01)
    await pool.close()
