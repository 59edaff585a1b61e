"""Fails a test that leaves something behind: a thread, a task, a file descriptor or a child process.

What is looked at costs some microseconds a test; names and command lines are looked up only of what is left.
The fixture is the first of a test's own to begin and the last to end, so that whatever the other fixtures
put away is away when it looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

PATIENCE_S = 30
"""For threads that are about to end; a busy machine takes its time."""

_OURS = ("TestRunner._run_tests_and_fixtures", "PageTask._serve")
"""Tasks in which tests and the blocks of a page run, ended with their loops."""

_SERVES_ALL = re.compile(r"Trio thread \d+$|.*\(_monitor\)$")

_tasks_left: list[str] = []


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Fail a test that leaves a thread, a task, a file descriptor or a child process behind."""
    before = Before()
    yield
    before.compare()


class Before:
    """What there was before, and belongs to somebody else: the test runner, or fixtures of the session."""

    def __init__(self):
        _tasks_left.clear()
        self._threads = _threads()
        self._children = _children()
        self._descriptors = _descriptors()

    def compare(self):
        """Fail if there is more now."""
        left = [*_tasks_left, *self._threads_left(), *self._children_left(), *self._descriptors_left()]
        if left:
            pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)

    def _threads_left(self):
        deadline = time.monotonic() + PATIENCE_S
        for thread in _threads() - self._threads:
            thread.join(max(0, deadline - time.monotonic()))
            if thread.is_alive():
                yield f"thread: {thread!r} in {_stack(thread)}"

    def _children_left(self):
        return [f"child process: {pid}, {_command(pid)}" for pid in sorted(_children() - self._children)]

    def _descriptors_left(self):
        if _descriptors().keys() <= self._descriptors.keys():
            return []
        gc.collect()  # a loop or connection in a cycle of references is closed by that, and warns if it minds
        left = _descriptors()
        new = left.keys() - self._descriptors.keys()
        return [f"file descriptor: {number}, {left[number]}" for number in sorted(new)]


def _threads():
    """Return all threads but those that serve whole programs, and wait for work now.

    Trio's wait for ten seconds across its runs; one that works has its work's name. A listener of logging is
    part of the logging's configuration, which a framework (Litestar) sets up once. Threads of anyio on
    asyncio need no exception: they end with their loop, before we look.
    """
    return {thread for thread in threading.enumerate() if not _SERVES_ALL.match(thread.name)}


def _stack(thread):
    """Return where a thread is, and how it came there."""
    frames = reversed(traceback.extract_stack(sys._current_frames().get(thread.ident)))
    return ", ".join(f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in frames)


def _children():
    """Return the pids of all children; those that ended and were not waited for are among them."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there are none: the usual case, for a single system call
        return set()
    children = set[int]()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended, and what it started belongs to another now
            children.update(map(int, (thread / "children").read_text().split()))
    return children


def _command(pid):
    with contextlib.suppress(OSError):
        while not _has_ended(pid):
            if words := Path(f"/proc/{pid}/cmdline").read_bytes():  # none while it is being replaced by exec
                return words.replace(b"\0", b" ").decode(errors="replace").strip()
    return "which ended, and nobody waited for it"


def _has_ended(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"


def _descriptors():
    """Return all open file descriptors by number, with what they are open on."""
    descriptors = dict[int, Path]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that listed them is closed
            descriptors[int(descriptor.name)] = descriptor.readlink()
    return descriptors


def _watch_loops():
    """Take note of tasks that are left when their loop is closed, which cancels them without a word."""
    cancel_all_tasks = asyncio.runners._cancel_all_tasks

    def note_and_cancel_all_tasks(loop):
        left = (task for task in asyncio.all_tasks(loop) if task.get_coro().__qualname__ not in _OURS)
        _tasks_left.extend(f"task: {task!r}" for task in left)
        cancel_all_tasks(loop)

    asyncio.runners._cancel_all_tasks = note_and_cancel_all_tasks


_watch_loops()
