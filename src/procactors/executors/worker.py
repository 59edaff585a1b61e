"""A worker: an OS process that runs steps for a manager, as the manager sees it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from contextvars import Context, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.executors import wire
from procactors.executors._executor import Ending
from procactors.executors.os_process import OsProcess

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from procactors._clock import Clock
    from procactors.executors._executor import StepRun

_READ_BYTES = 262_144
_ROOT = str(Path(__file__).parents[2])
_BOOT = (
    "import sys; sys.path[0] = {root!r}; from procactors.executors.child import main; main({wire}, {life})"
)


class Launch(msgspec.Struct, frozen=True):
    """How a worker is started; one serves only steps that want the same.

    Attributes:
        env: Additional environment variables.
        argv: Arguments, as it finds them in `sys.argv[1:]`.
        memory_bytes: How much memory it may map; None: as much as there is.
        nice: How much it steps back for others, 0 to 19.
    """

    env: tuple[tuple[str, str], ...] = ()
    argv: tuple[str, ...] = ()
    memory_bytes: int | None = None
    nice: int = 0


class Lost(msgspec.Struct, frozen=True):
    """The worker ended before the step did; `has_begun` tells whether the step had begun."""

    ending: Ending
    has_begun: bool


class Worker:
    """Runs one step at a time."""

    def __init__(
        self, launch: Launch, loop: asyncio.AbstractEventLoop, on_exit: Callable[[Worker], None]
    ) -> None:
        """Start it; it makes itself ready while the first step is on its way. `on_exit` hears of its end.

        Raises:
            OSError: It can't be started.
        """
        self.launch = launch
        self.steps = 0
        """How many it has run."""
        self.ending: Ending | None = None
        """How it ended, once it has."""
        self._on_exit = on_exit
        self._loop = loop
        self._frames = wire.Frames()
        self._run: StepRun | None = None
        self._order: wire.Run | None = None
        self._context = Context()
        self._outcome: asyncio.Future[wire.Done | wire.Broke | Lost] | None = None
        self._has_begun = False
        self._end, theirs = socket.socketpair()
        their_life, self._lifeline = os.pipe()
        self._end.setblocking(False)
        try:
            self.process = OsProcess(
                _command(launch, theirs.fileno(), their_life),
                {**os.environ, **dict(launch.env)},
                (theirs.fileno(), their_life),
                loop,
                self._exited,
            )
        except BaseException:
            self._end.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(their_life)
        loop.add_reader(self._end, self._readable)
        self._pending = wire.framed(wire.Hello(_search_path(), launch.memory_bytes, launch.nice))

    async def run(self, order: wire.Run, run: StepRun) -> wire.Done | wire.Broke | Lost:
        """Run a step in it, and return what came of it; what it tells meanwhile goes to `run`.

        Cancellation: at once; the step goes on, so this worker is to be stopped.
        """
        self.steps += 1
        self._run, self._order, self._has_begun = run, order, False
        self._context = copy_context()  # what it logs is logged here as if by the step, with its trace
        self._outcome = self._loop.create_future()
        if self.steps > 1:  # else it is what it said while it started, and failed to perhaps
            self.process.forget_stderr()
        pending, self._pending = self._pending, b""
        with contextlib.suppress(OSError):  # it has ended: that is noticed below
            await self._loop.sock_sendall(self._end, pending + wire.framed(order))
        try:
            return await self._outcome
        finally:
            self._run = self._order = self._outcome = None

    def retire(self, patience_s: float) -> None:
        """Let it end by itself, without a further step; kill it if it takes longer than `patience_s`."""
        if not self.process.is_over:
            self._send_no_more()
            self._loop.call_later(patience_s, self.process.kill)

    async def stop(self, grace_s: float, clock: Clock) -> None:
        """End it and what it has started; see `OsProcess.stop`.

        An idle one ends by itself even if a step has made it deaf to SIGTERM.
        """
        self._send_no_more()
        await self.process.stop(grace_s, clock)

    def _send_no_more(self) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self._end.shutdown(socket.SHUT_WR)

    def _readable(self) -> None:
        """Take in what it has sent."""
        while True:
            try:
                piece = self._end.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:
                self._loop.remove_reader(self._end)
                return
            try:
                for body in self._frames.feed(piece):
                    self._heard(wire.read_report(body))
            except msgspec.MsgspecError:  # a message was torn, or somebody else has written
                self._loop.remove_reader(self._end)
                self.process.kill()
                return

    def _heard(self, message: wire.FromWorker) -> None:
        run = self._run
        if isinstance(message, wire.Logged):
            self._context.run(log_again, message, self._order)
        elif run is None:
            return
        elif isinstance(message, wire.Begun):
            self._has_begun = True
            run.begun()
        elif isinstance(message, wire.Progressed):
            run.progressed(message.done, message.total, message.text)
        elif isinstance(message, wire.Beat):
            run.beat()
        else:
            self._settle(message)

    def _settle(self, outcome: wire.Done | wire.Broke | Lost) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _exited(self, ending: Ending) -> None:
        """Hear its last words, and close everything."""
        self._readable()
        self._loop.remove_reader(self._end)
        self._end.close()
        os.close(self._lifeline)
        self.ending = ending
        self._on_exit(self)
        self._settle(Lost(ending, self._has_begun))


def _command(launch: Launch, wire_fd: int, lifeline_fd: int) -> list[str]:
    boot = _BOOT.format(root=_ROOT, wire=wire_fd, life=lifeline_fd)
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined] # noqa: SLF001 - as multiprocessing does
    return [sys.executable, *flags, "-c", boot, *launch.argv]


def _search_path() -> list[str]:
    return [os.fspath(entry) for entry in sys.path]


def levels() -> dict[str, int]:
    """Return the levels of this program's loggers by name; "" is the root."""
    loggers = logging.root.manager.loggerDict
    own = {name: it.level for name, it in loggers.items() if isinstance(it, logging.Logger) and it.level}
    return {"": logging.root.level, **own}


def log_again(logged: wire.Logged, order: wire.Run | None) -> None:
    """Log what a worker has logged, with the pid and the name of the step that it runs."""
    logger = logging.getLogger(logged.name)
    if logger.isEnabledFor(logged.level):
        whose: dict[str, Any] = {} if order is None else {"pid": order.pid, "step": order.step}
        fields = {"name": logged.name, "levelno": logged.level, "args": ()}
        logger.handle(logging.makeLogRecord({**logged.fields, **fields, **whose}))
