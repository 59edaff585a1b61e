"""`kill -9` of a manager: its workers end by themselves, and so does all that their steps have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 100
STEPS = ["sleeps", "is_deaf", "never_returns_to_python"]


def is_alive(os_pid):
    try:
        return Path(f"/proc/{os_pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition):
    with anyio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - an OS process tells nobody of its end
            await anyio.sleep(0.01)


def begin(step, note):
    name, *how = step.split()
    command = [sys.executable, "-m", "tests.crash.worker_driver", name, str(note), *how]
    return subprocess.Popen(command, cwd=ROOT)


@pytest.fixture
async def running(tmp_path, request):
    """A manager in an OS process of its own; and the OS processes of its running step and of its child."""
    note = tmp_path / "note"
    manager = begin(request.param, note)
    os_pids = []
    try:
        await until(note.exists)
        os_pids = [int(word) for word in note.read_text().split()]
        yield manager, os_pids
    finally:
        manager.kill()
        manager.wait()
        for os_pid in filter(is_alive, os_pids):
            os.kill(os_pid, signal.SIGKILL)


@pytest.mark.parametrize("running", STEPS, indirect=True)
async def test_workers_and_their_children_end_with_a_killed_manager(running):
    manager, os_pids = running
    assert all(map(is_alive, os_pids))
    manager.send_signal(signal.SIGKILL)
    manager.wait()
    await until(lambda: not any(map(is_alive, os_pids)))


@pytest.mark.parametrize("running", ["sleeps forks"], indirect=True)
async def test_workers_end_although_a_fork_of_their_manager_lives_on(running, tmp_path):
    manager, os_pids = running
    note = tmp_path / "note.fork"
    await until(note.exists)
    fork = int(note.read_text())
    try:
        manager.send_signal(signal.SIGKILL)
        manager.wait()
        await until(lambda: not any(map(is_alive, os_pids)))
        assert is_alive(fork)
    finally:
        os.kill(fork, signal.SIGKILL)


@pytest.mark.parametrize("running", ["is_idle"], indirect=True)
async def test_nothing_is_left_of_a_manager_that_ends_by_itself(running):
    manager, os_pids = running
    assert manager.wait(PATIENCE_S) == 0
    assert not any(map(is_alive, os_pids))
