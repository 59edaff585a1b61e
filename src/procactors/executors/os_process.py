"""One OS process, as its parent sees it: started, heard, and ended together with all that it has started.

Its end is noticed at once (by a pidfd, not by the pipes, which its children may hold open). It leads a
session and process group of its own, and whatever is left of the group is killed before its number is
given up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio

from procactors.executors._executor import Ending

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from procactors._clock import Clock

_STDERR_BYTES = 4096
_READ_BYTES = 65_536
_LAST_WAIT_S = 5.0
"""Seconds that the kernel may take to end what was killed; on a disk that hangs it may be for ever."""


class OsProcess:
    """Runs a command. Its standard output is this program's; so is its standard error, whose end is kept."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        fds: Sequence[int],
        loop: asyncio.AbstractEventLoop,
        on_exit: Callable[[Ending], None],
    ) -> None:
        """Start it; it inherits `fds`. `on_exit` is called in the loop when it is over.

        Raises:
            OSError: It can't be started.
        """
        self._loop = loop
        self._on_exit = on_exit
        self._tail = b""
        self._sent: signal.Signals | None = None
        self._is_over = anyio.Event()
        self._stderr, theirs = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - this program's own interpreter
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stderr=theirs,
                pass_fds=fds,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._stderr)
            raise
        finally:
            os.close(theirs)
        self.pid = self._popen.pid
        self._pidfd = os.pidfd_open(self.pid)
        os.set_blocking(self._stderr, False)
        loop.add_reader(self._pidfd, self._exited)
        loop.add_reader(self._stderr, self._hear)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and has been seen to end."""
        return self._is_over.is_set()

    def forget_stderr(self) -> None:
        """Begin anew with what is kept of its standard error."""
        self._hear()
        self._tail = b""

    def stderr(self) -> str:
        """Return the end of what it wrote to its standard error, up to now."""
        self._hear()
        return self._tail.decode("utf-8", "backslashreplace")

    async def stop(self, grace_s: float, clock: Clock) -> None:
        """End it and what it has started: SIGTERM, and SIGKILL when the grace is over. Then it is over.

        Virtual time does not wait for the grace to be used, only for what was killed.

        Cancellation: the rest is up to the next call.
        """
        if grace_s > 0:
            self.signal(signal.SIGTERM)
            with anyio.move_on_after(grace_s):
                await self._is_over.wait()
        self.kill()
        clock.begin_outside()
        try:
            with anyio.move_on_after(_LAST_WAIT_S):
                await self._is_over.wait()
        finally:
            clock.end_outside()

    def kill(self) -> None:
        """Kill it and what it has started."""
        self.signal(signal.SIGKILL)

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to it and to what it has started, if it is not over."""
        if not self.is_over:
            self._sent = what
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, what)

    def _exited(self) -> None:
        """Take note of its end. It is a zombie still, so that its group's number is not anyone else's yet."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        ending = self._ending(code)
        self._loop.remove_reader(self._stderr)
        os.close(self._stderr)
        self._is_over.set()
        self._on_exit(ending)

    def _ending(self, code: int) -> Ending:
        """Return how it ended: one that cleaned up after a SIGTERM and then exited was ended by that."""
        name = self._sent.name if self._sent is not None else None
        if code < 0:
            return Ending(signal=_signal_name(-code), stderr=self.stderr())
        return Ending(exit_code=code, signal=name, stderr=self.stderr())

    def _hear(self) -> None:
        """Take in what it has written to its standard error, and pass it on to this program's."""
        while not self.is_over:
            try:
                piece = os.read(self._stderr, _READ_BYTES)
            except BlockingIOError:
                return
            if not piece:
                self._loop.remove_reader(self._stderr)
                return
            self._tail = (self._tail + piece)[-_STDERR_BYTES:]
            if sys.stderr is not None:
                sys.stderr.write(piece.decode("utf-8", "backslashreplace"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals, which have no names
        return f"signal {number}"
