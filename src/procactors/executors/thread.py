"""Runs plain functions in threads that can be left behind.

A thread can't be stopped. A call whose caller goes away (timeout, cancel) is abandoned: counted, reported,
never waited for; its thread serves again if it ever comes back. The threads are daemons, so that a hung
one does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from procactors.executors._executor import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from procactors._clock import Clock
    from procactors.executors._executor import StepRun
    from procactors.executors.call import PreparedStep
    from procactors.executors.context import StepContext

_KEEP_IDLE = 8
"""Threads that are kept for the next call; more are ended when they are idle."""


class _Call:
    """One function call on its way through a thread."""

    __slots__ = ("done", "function", "is_abandoned", "loop")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.done: asyncio.Future[Any] = loop.create_future()
        self.is_abandoned = False


class ThreadPool:
    """As many threads as there are calls at once."""

    stop_s = 0.0

    def __init__(self, clock: Clock) -> None:
        """Begin without any thread; virtual time of `clock` waits for calls."""
        self.clock = clock
        self._idle: deque[_Worker] = deque()
        self._workers: set[_Worker] = set()
        self._is_closed = False
        self.abandoned = 0
        """Calls that were abandoned and have not come back."""

    async def run(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext, run: StepRun) -> Any:
        """Run a step in a thread. Cancellation: abandons it at once."""
        return await self.call(lambda: prepared.call(data, ctx), run)

    async def call(self, function: Callable[[], Any], run: StepRun) -> Any:
        """Call `function` in a thread, in a copy of this context, and return what it returns.

        Cancellation: abandons the call at once.
        """
        context = copy_context()
        call = _Call(lambda: context.run(_whole, function), asyncio.get_running_loop())
        worker = self._idle.pop() if self._idle else self._new_worker()
        self.clock.begin_outside(call)
        try:
            worker.queue.put(call)
            return await call.done
        except asyncio.CancelledError:
            if not call.done.done() or call.done.cancelled():
                call.is_abandoned = True
                self.abandoned += 1
                run.ended(Ending(abandoned=True))
            raise
        finally:
            self.clock.end_outside(call)

    def _new_worker(self) -> _Worker:
        worker = _Worker(self)
        self._workers.add(worker)
        worker.thread.start()
        return worker

    def take_back(self, worker: _Worker, call: _Call, value: Any, error: BaseException | None) -> None:
        """Settle a call that has come back from its thread, in the event loop."""
        if call.is_abandoned:
            self.abandoned -= 1
        elif not call.done.done():
            if error is None:
                call.done.set_result(value)
            else:
                call.done.set_exception(_safe(error))
        if len(self._idle) < _KEEP_IDLE and not self._is_closed:
            self._idle.append(worker)
        else:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        worker.queue.put(None)

    def close(self) -> None:
        """End the idle threads, and wait for them: they have nothing to do. The others end when they can."""
        self._is_closed = True
        idle = list(self._idle)
        self._idle.clear()
        for worker in idle:
            self._end(worker)
        for worker in idle:
            worker.thread.join()


class _Worker:
    """One thread, and the queue of its calls."""

    def __init__(self, pool: ThreadPool) -> None:
        self.queue: SimpleQueue[_Call | None] = SimpleQueue()
        self.pool = pool
        self.thread = threading.Thread(target=self._serve, name="procactors-step", daemon=True)

    def _serve(self) -> None:
        while (call := self.queue.get()) is not None:
            value, error = None, None
            try:
                value = call.function()
            except BaseException as raised:  # noqa: BLE001 - all of it belongs to the step
                error = raised
            try:
                self.pool.clock.bring_back(
                    call, call.loop, partial(self.pool.take_back, self, call, value, error)
                )
            except RuntimeError:  # the loop was closed: nobody waits any more
                return
            del call, value, error


def _whole(function: Callable[[], Any]) -> Any:
    """Call a function; what it returns to be awaited is run in an event loop of the thread's own."""
    result = function()
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    return result


def _safe(error: BaseException) -> BaseException:
    """Return an error that a future can hold (it can't hold StopIteration)."""
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("the step raised StopIteration")
        wrapped.__cause__ = error
        return wrapped
    return error
