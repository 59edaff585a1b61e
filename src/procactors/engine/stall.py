"""Notices, from a thread of its own, that the event loop is blocked, and names the step that blocks it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procactors.engine.room import Room

_log = logging.getLogger("procactors.engine")


class StallWatch:
    """Asks the loop for a sign of life again and again; reports once for each time it is blocked."""

    def __init__(self, room: Room) -> None:
        """Watch the room's loop."""
        self._room = room
        self._limit_s = min(room.options.blocked_loop_s, threading.TIMEOUT_MAX)
        self._loop_thread = 0
        self._answered = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="procactors-stall", daemon=True)

    def start(self) -> None:
        """Begin to watch the loop of the calling thread."""
        self._loop_thread = threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """End: the thread is woken, and joined."""
        self._stopping.set()
        self._answered.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._limit_s):
            self._answered.clear()
            if self._stopping.is_set():  # or the answer of `stop` may just have been cleared away
                return
            try:
                self._room.loop.call_soon_threadsafe(self._answered.set)
            except RuntimeError:  # the loop is closed
                return
            asked_at = time.monotonic()
            if not self._answered.wait(self._limit_s):
                self._report(time.monotonic() - asked_at)
                self._answered.wait()

    def _report(self, seconds: float) -> None:
        task = asyncio.current_task(self._room.loop)
        step = self._room.step_of_task(task.get_name() if task is not None else "")
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - its only public name
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        what = f"step {step}" if step else f"task {task.get_name() if task else 'unknown'}"
        _log.warning(
            "the event loop has been blocked for %.1f s by %s; make it a plain function (it runs in a"
            " thread then) or give it executor='thread'\n%s",
            seconds,
            what,
            stack,
        )
        self._room.observer.loop_blocked(seconds, step, stack)
