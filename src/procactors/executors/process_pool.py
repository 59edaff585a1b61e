"""Runs steps in OS processes: a small pool of warm workers, started when they are needed.

A step that crashes its worker fails at once, and nothing else does; one that is cancelled is ended by
SIGTERM, and after a grace by SIGKILL, with all that it has started. A step that finds every worker busy waits
for one; its own time counts only from when it gets one.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors.errors import ErrorInfo, StepCrashedError
from procactors.executors import wire
from procactors.executors._executor import Ending
from procactors.executors.failure import FailedElsewhere, Failure
from procactors.executors.output import Output
from procactors.executors.worker import Launch, Lost, Worker, levels
from procactors.model.retry import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procactors._clock import Clock
    from procactors.executors._executor import StepRun
    from procactors.executors.call import PreparedStep
    from procactors.executors.context import StepContext
    from procactors.model.definition import Process
    from procactors.options import ManagerOptions


class ProcessPool:
    """The workers of one manager."""

    def __init__(
        self, clock: Clock, options: ManagerOptions, trace_context: Callable[[], str | None] = lambda: None
    ) -> None:
        """Begin without any worker; virtual time of `clock` waits for steps, but not for workers to stop.

        `trace_context` is asked in each step's task for the traceparent that its worker goes on with.
        """
        self._trace_context = trace_context
        self.stop_s = options.kill_grace_s
        self._clock = clock
        self._options = options
        self._places = anyio.Semaphore(options.workers)
        self._workers: dict[Worker, None] = {}
        """In the order in which they were started."""
        self._idle: list[Worker] = []

    async def run(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext, run: StepRun) -> Any:
        """Run a step in a worker.

        Returns:
            Its `Output`: the worker has encoded it.

        Raises:
            FailedElsewhere: It raised, or its worker ended under it.

        Cancellation: the worker is stopped, and is gone when this is over.
        """
        order = self._order(prepared, data, ctx)
        async with self._places:
            outcome = await self._outcome(_launch_of(prepared, run.plan), order, run)
        if isinstance(outcome, wire.Done):
            return Output(msgspec.Raw(outcome.output), outcome.question)
        raise FailedElsewhere(outcome.failure)

    async def close(self) -> None:
        """Stop all workers. Cancellation: it is done all the same."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for worker in self._workers:
                    group.start_soon(worker.stop, self.stop_s, self._clock)

    # One step.

    def _order(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext) -> wire.Run:
        step = prepared.step
        return wire.Run(
            reference=prepared.reference,
            args=msgspec.json.encode(step.args),
            kwargs=msgspec.json.encode(step.kwargs),
            data=bytes(data),
            pid=ctx.pid,
            step=step.name,
            attempt=ctx.attempt,
            interrupts=step.interrupts,
            limit_bytes=self._options.payload_limit_bytes,
            progress_every_s=self._options.progress_every_s,
            levels=levels(),
            trace=self._trace_context(),
        )

    async def _outcome(self, launch: Launch, order: wire.Run, run: StepRun) -> wire.Done | wire.Broke:
        while True:
            worker = self._take(launch)
            is_fresh = not worker.steps
            outcome = await self._run_in(worker, order, run)
            if isinstance(outcome, wire.Broke):
                return _with_stderr(outcome, worker.process.stderr())
            if isinstance(outcome, wire.Done):
                return outcome
            if is_fresh or outcome.has_begun:  # else it had ended while it was idle
                return wire.Broke(_crash(order, outcome.ending))

    async def _run_in(self, worker: Worker, order: wire.Run, run: StepRun) -> wire.Done | wire.Broke | Lost:
        try:
            with _outside(self._clock):
                outcome = await worker.run(order, run)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await worker.stop(self.stop_s, self._clock)
            run.ended(worker.ending or Ending(abandoned=True))
            raise
        if not isinstance(outcome, Lost):
            self._put_back(worker)
        return outcome

    # The workers.

    def _take(self, launch: Launch) -> Worker:
        """Return an idle worker that was started as `launch` wants, or a new one."""
        for worker in reversed(self._idle):
            if worker.launch == launch:
                self._idle.remove(worker)
                return worker
        if self._idle and len(self._workers) >= self._options.workers:
            self._idle.pop(0).retire(self.stop_s)
        worker = self._start(launch)
        self._workers[worker] = None
        return worker

    def _start(self, launch: Launch) -> Worker:
        return Worker(launch, asyncio.get_running_loop(), self._gone)

    def _put_back(self, worker: Worker) -> None:
        if self._options.worker_steps and worker.steps >= self._options.worker_steps:
            worker.retire(self.stop_s)
        else:
            self._idle.append(worker)

    def _gone(self, worker: Worker) -> None:
        self._workers.pop(worker, None)
        if worker in self._idle:
            self._idle.remove(worker)


@contextmanager
def _outside(clock: Clock) -> Iterator[None]:
    clock.begin_outside()
    try:
        yield
    finally:
        clock.end_outside()


def _launch_of(prepared: PreparedStep, plan: Process) -> Launch:
    step = prepared.step
    return Launch(tuple(plan.env.items()), plan.argv, step.memory_bytes, step.nice)


def _with_stderr(broke: wire.Broke, stderr: str) -> wire.Broke:
    failure = broke.failure
    info = msgspec.structs.replace(failure.error, stderr=stderr)
    return wire.Broke(msgspec.structs.replace(failure, error=info))


def _crash(order: wire.Run, ending: Ending) -> Failure:
    """Return the failure of a step whose worker ended under it."""
    how = f"was ended by {ending.signal}" if ending.signal else f"exited with code {ending.exit_code}"
    if ending.signal == "SIGKILL":
        how += " (by the kernel if memory ran out, else by somebody's kill -9)"
    info = ErrorInfo(
        type=StepCrashedError.__qualname__,
        module=StepCrashedError.__module__,
        message=f"the OS process of step {order.step!r} {how} before the step was over",
        step=order.step,
        attempt=order.attempt,
        exit_code=ending.exit_code,
        signal=ending.signal,
        stderr=ending.stderr,
    )
    return Failure(info, names_of(StepCrashedError()))
