"""The entry point of a worker: an OS process that runs one step after the other for a manager.

It imports as little as it can (msgspec, and of this library what calls a step): neither the event loop nor a
store. When its manager is gone, however that went, the kernel kills it and all that it has started: it holds
one end of a pipe, the lifeline, whose other end nobody but the manager has.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import fcntl
import inspect
import logging
import os
import resource
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.executors import wire
from procactors.executors.call import prepare
from procactors.executors.context import current_step
from procactors.executors.failure import failure_of
from procactors.executors.output import output_of
from procactors.executors.telling import LogToManager, Telling, Wire, WorkerContext
from procactors.executors.tracing import traced
from procactors.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from types import FrameType

    from procactors.executors.call import PreparedStep

_PR_SET_PDEATHSIG = 1
_CUT_SHORT = 128 + signal.SIGTERM


def main(wire_fd: int, lifeline_fd: int) -> None:
    """Serve until the manager wants no more."""
    for fd in (wire_fd, lifeline_fd):
        os.set_inheritable(fd, False)
    _die_with_manager(lifeline_fd)
    faulthandler.enable()
    sys.argv[0] = "procactors-worker"
    end = Wire(socket.socket(fileno=wire_fd))
    hello = end.receive()
    if not isinstance(hello, wire.Hello):
        return
    _set_up(hello)
    logging.getLogger().addHandler(LogToManager(end))
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # nobody has replaced it yet
    worker = _Worker(end)
    try:
        while isinstance(order := end.receive(), wire.Run):
            worker.run(order)
    finally:
        if worker.is_orphan:  # nobody else ends what its steps have started
            os.killpg(0, signal.SIGKILL)


def _die_with_manager(lifeline_fd: int) -> None:
    """Let the kernel end this worker and its children as soon as the manager is gone.

    The end of the lifeline kills the whole group, even code that never comes back to Python. Should somebody
    have inherited the manager's end, there is still the signal of a parent's death.
    """
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    if select.select([lifeline_fd], [], [], 0)[0]:  # it was gone before the kernel knew
        os.killpg(0, signal.SIGKILL)


def _set_up(hello: wire.Hello) -> None:
    sys.path[:] = hello.path
    if hello.nice:
        os.nice(hello.nice)
    if hello.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (hello.memory_bytes, hello.memory_bytes))


class _Worker:
    """Runs steps, one at a time."""

    def __init__(self, end: Wire) -> None:
        self._end = end
        self._is_stopping = False
        self.is_orphan = False

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Unwind what runs, so that it can clean up, and end: SIGTERM says so, or the manager's death."""
        self.is_orphan = self.is_orphan or number == signal.SIGHUP
        if not self._is_stopping:
            self._is_stopping = True
            sys.exit(_CUT_SHORT)

    def run(self, order: wire.Run) -> None:
        """Run a step and send what came of it."""
        for number in (signal.SIGTERM, signal.SIGHUP):  # each time: the step before may have set its own
            signal.signal(number, self.stop)
        telling = Telling(self._end, order.progress_every_s)
        telling.begun()
        _set_levels(order.levels)
        try:
            outcome = _outcome_of(order, telling)
        finally:
            _flush()
        if self._is_stopping:
            sys.exit(_CUT_SHORT)
        telling.finish()
        self._end.send(outcome)


def _outcome_of(order: wire.Run, telling: Telling) -> wire.Done | wire.Broke:
    ctx = WorkerContext(order.pid, order.step, order.attempt, {}, telling)
    token = current_step.set(ctx)
    try:
        step = _step_of(order)
        prepared = _prepared(step, telling)
        with traced(order.trace):
            output = output_of(_called(prepared, order, ctx), step, order.limit_bytes)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a step fails the step
        return wire.Broke(_failure_of(error, order))
    finally:
        current_step.reset(token)
    return wire.Done(bytes(output.data), output.question)


def _failure_of(error: BaseException, order: wire.Run) -> Any:
    failure = failure_of(error, order.step, order.attempt)
    if not isinstance(error, SystemExit):
        return failure
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
    info = msgspec.structs.replace(failure.error, exit_code=code)
    return msgspec.structs.replace(failure, error=info)


def _step_of(order: wire.Run) -> Step:
    return Step(
        order.step,
        order.reference,
        args=msgspec.json.decode(order.args),
        kwargs=msgspec.json.decode(order.kwargs),
        executor="process",
        interrupts=order.interrupts,
    )


def _prepared(step: Step, telling: Telling) -> PreparedStep:
    """Find the step's code. The first import of its module has as much time as the step itself."""
    module = step.reference.partition(":")[0]
    is_new = module not in sys.modules
    prepared = prepare(step, {}, [module])
    if is_new:
        telling.begun()
    return prepared


def _called(prepared: PreparedStep, order: wire.Run, ctx: WorkerContext) -> Any:
    value = prepared.call(msgspec.Raw(order.data), ctx)
    if inspect.isawaitable(value):
        import asyncio  # noqa: PLC0415 - only async steps pay for it

        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _set_levels(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the step may have closed or replaced it
            stream.flush()
