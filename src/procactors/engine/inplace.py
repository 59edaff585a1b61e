"""Steps in place: one after the other in the caller's task, with no process and no store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors._clock import SystemClock
from procactors._ids import Ids
from procactors.engine.catalog import Catalog
from procactors.engine.outcome import output_of
from procactors.errors import InvalidDefinitionError, ProcessFailedError
from procactors.executors.context import StepContext, current_step
from procactors.executors.failure import error_info
from procactors.executors.loop import run_on_loop
from procactors.executors.thread import ThreadPool
from procactors.model.definition import Process
from procactors.model.interrupt import Interrupt
from procactors.model.payload import EMPTY, decode, encode
from procactors.options import ManagerOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from procactors.model.definition import Steps
    from procactors.model.step import Step


async def run_steps(
    steps: Steps | Process,
    data: Any = None,
    *,
    services: Mapping[str, Any] | None = None,
    modules: Sequence[str] = (),
) -> Any:
    """Run steps one after the other, here and now, and return the last one's output.

    For tests, scripts, and work that is quick enough for the request itself. Data goes from step to step as
    it does in a process (as JSON), but nothing is stored, retried or limited in time.

    Args:
        steps: As for `Process`, or a `Process`.
        data: The first step's input; JSON-able. None: `{}`.
        services: Services by name, as for a manager.
        modules: Modules from which references may be imported, as for a manager.

    Returns:
        What the last step returned, as plain JSON data.

    Raises:
        ProcessFailedError: A step raised; the error names it, and its cause is what was raised.
        InvalidDefinitionError: A step is not valid, or interrupts: nobody could answer.
        StepNotResolvableError: A reference is not known here.

    Cancellation: goes into the step that is running; a thread is abandoned.

    Source: MWStake ProcessManager's steps that run without a process.
    """
    plan = steps if isinstance(steps, Process) else Process("in place", steps, timeout=None)
    offered = dict(services or {})
    catalog = Catalog(offered, modules)
    catalog.check(plan)
    for step in plan.steps.values():
        if step.interrupts:
            raise InvalidDefinitionError(
                f"step {step.name!r} interrupts: it can't run in place", step=step.name
            )
    clock = SystemClock()
    threads = ThreadPool(clock)
    pid = Ids(clock).pid()
    limit_bytes = ManagerOptions().payload_limit_bytes
    current = EMPTY if data is None else encode(data, limit_bytes, "the input")
    try:
        for step in plan.steps.values():
            ctx = StepContext(pid, step.name, 1, offered, _Nobody())
            current = await _run(step, current, catalog, threads, ctx, limit_bytes)
    finally:
        threads.close()
    return decode(current)


async def _run(
    step: Step, data: msgspec.Raw, catalog: Catalog, threads: ThreadPool, ctx: StepContext, limit_bytes: int
) -> msgspec.Raw:
    prepared = catalog.prepared(step)
    token = current_step.set(ctx)
    try:
        if prepared.runs_on_loop:
            value = await run_on_loop(prepared, data, ctx, threads)
        else:
            value = await threads.run(lambda: prepared.call(data, ctx))
        if not isinstance(value, Interrupt):
            return output_of(value, step, limit_bytes).data
    except Exception as error:
        info = error_info(error, step.name, 1)
        problem = f"step {step.name!r} failed: {info}"
        raise ProcessFailedError(problem, step=step.name, attempt=1, error=info) from error
    finally:
        current_step.reset(token)
    raise InvalidDefinitionError(f"step {step.name!r} interrupts: it can't run in place", step=step.name)


class _Nobody:
    """Takes what a step says when nobody listens."""

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Ignore progress."""

    def beat(self) -> None:
        """Ignore a heartbeat."""
