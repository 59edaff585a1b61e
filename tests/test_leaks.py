"""A test that leaves something behind fails, and says what it left; what will be away does not count."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TESTS = """
import asyncio, os, select, subprocess, threading
import anyio
import pytest
from tests import leaks
from tests.leaks import nothing_is_left_behind

forever = threading.Event()
kept = []


def test_leaves_nothing_that_stays():
    threading.Timer(0.05, int).start()


def test_leaves_no_descriptor_when_its_garbage_is_collected():
    cycle = [select.epoll()]
    cycle.append(cycle)


def test_waits_for_its_child():
    subprocess.run(["true"])


async def test_waits_for_its_task(anyio_backend):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)


async def test_uses_a_thread_of_a_pool(anyio_backend):
    await anyio.to_thread.run_sync(int)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_leaves_a_task(anyio_backend):
    asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="Bob")


async def test_leaves_a_worker_thread(anyio_backend):
    def work():
        anyio.from_thread.run_sync(scope.cancel)
        forever.wait()

    leaks.PATIENCE_S = 0
    with anyio.CancelScope() as scope:
        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


def test_leaves_a_thread():
    leaks.PATIENCE_S = 0
    threading.Thread(target=forever.wait, name="Ada", daemon=True).start()


def test_leaves_a_file():
    kept.append(os.open(__file__, os.O_RDONLY))


def test_leaves_a_pipe():
    kept.append(os.pipe())


def test_leaves_a_child():
    kept.append(subprocess.Popen(["sleep", "1000"]))


def test_leaves_a_child_that_has_ended():
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def test_leaves_nothing_after_others_did():
    forever.set()
    kept[-1].kill()
"""
CONFTEST = """
import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
"""
SAID = {
    "leaves_a_task[asyncio]": [r"task: <Task .*name='Bob' coro=<Event.wait\(\)"],
    "leaves_a_worker_thread[asyncio]": [r"thread: .* work \(test_sample\.py:\d+\)"],
    "leaves_a_worker_thread[trio]": [r"thread: .* work \(test_sample\.py:\d+\)"],
    "leaves_a_thread": [r"thread: <Thread\(Ada, started daemon \d+\)> in \w+ \("],
    "leaves_a_file": [r"file descriptor: \d+, .*/test_sample\.py$"],
    "leaves_a_pipe": [r"file descriptor: \d+, pipe:\[\d+\]$"] * 2,
    "leaves_a_child": [r"child process: \d+, sleep 1000$"],
    "leaves_a_child_that_has_ended": [r"child process: \d+, which ended, and nobody waited for it$"],
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest says of the tests above, run in a program of their own."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "test_sample.py").write_text(TESTS)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nanyio_mode = auto\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return done.stdout


def test_only_tests_that_leave_something_fail(report):
    failed = re.findall(r"^ERROR test_sample\.py::test_([\w\[\]]+)", report, re.MULTILINE)
    assert sorted(failed) == sorted(SAID)
    assert "FAILED" not in report


@pytest.mark.parametrize("name", SAID)
def test_a_test_that_leaves_something_is_told_what(report, name):
    told = re.search(
        rf"ERROR at teardown of test_{re.escape(name)} .*\nleft behind:\n((?:[a-z].*\n)+)", report
    )
    assert told, report
    lines = told[1].splitlines()
    assert len(lines) == len(SAID[name]), told[1]
    assert all(map(re.search, SAID[name], lines)), told[1]
