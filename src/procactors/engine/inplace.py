"""Steps in place: one after the other in the caller's task, with no process and no store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from procactors._clock import SystemClock, to_datetime
from procactors._ids import Ids
from procactors.deferred import DeferredUpdates, LazyScope, Stage, defer_into
from procactors.engine.catalog import Catalog
from procactors.errors import InvalidDefinitionError, NoDeferredScopeError, ProcessFailedError
from procactors.executors.context import StepContext, current_step
from procactors.executors.failure import failure_of
from procactors.executors.output import output_of
from procactors.executors.places import Executors
from procactors.model.definition import Process
from procactors.model.payload import EMPTY, decode, encode
from procactors.model.sleep import Sleep
from procactors.options import ManagerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import FrameType

    import msgspec

    from procactors.executors._executor import ChildRuns, Ending
    from procactors.model.definition import Steps
    from procactors.model.step import Step

_OPTIONS = ManagerOptions()


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
        if step.is_composite:
            raise _refusal(step, "is made of processes")
        if step.interrupts:
            raise _refusal(step, "interrupts")
    clock = SystemClock()
    executors = Executors(clock, _OPTIONS)
    pid = Ids(clock).pid()
    run = _Nobody(plan)
    current = EMPTY if data is None else encode(data, _OPTIONS.payload_limit_bytes, "the input")
    try:
        for step in plan.steps.values():
            if isinstance(step.call, Sleep):
                now = to_datetime(clock.wall())
                await anyio.sleep((step.call.ends_at(now) - now).total_seconds())
                continue
            ctx = StepContext(pid, step.name, 1, offered, run)
            current = await _run(step, current, catalog, executors, ctx, run)
    finally:
        await executors.close()
    return decode(current)


async def _run(
    step: Step, data: msgspec.Raw, catalog: Catalog, executors: Executors, ctx: StepContext, run: _Nobody
) -> msgspec.Raw:
    prepared = catalog.prepared(step)
    token = current_step.set(ctx)
    scope = run.scope = _Scope()
    try:
        with scope:
            value = await executors.of(prepared).run(prepared, data, ctx, run)
        if scope.updates is not None:
            await scope.updates.run(Stage.PRESEND)
        output = output_of(value, step, _OPTIONS.payload_limit_bytes)
        if scope.updates is not None:
            await scope.updates.run()
        if output.question is None:
            return output.data
    except Exception as error:
        await scope.fail()
        info = failure_of(error, step.name, 1).error
        problem = f"step {step.name!r} failed: {info}"
        raise ProcessFailedError(problem, step=step.name, attempt=1, error=info) from error
    finally:
        current_step.reset(token)
        scope.close()
    raise _refusal(step, "interrupts")


def _refusal(step: Step, reason: str) -> InvalidDefinitionError:
    return InvalidDefinitionError(f"step {step.name!r} {reason}: it can't run in place", step=step.name)


class _Scope(LazyScope):
    """What is around one step: what it defers runs when it has returned."""

    def make(self) -> DeferredUpdates:
        """Make a queue; there is nobody who keeps durable updates."""
        return DeferredUpdates()

    def late(self, _updates: DeferredUpdates) -> None:
        """Refuse: nobody looks after the step any more."""
        raise NoDeferredScopeError("the step is over: nothing more can be deferred in it")

    def close(self) -> None:
        """Refuse whatever comes later."""
        updates = self.end()
        if updates is not None:
            updates.close()

    async def fail(self) -> None:
        """Drop what the step has deferred, but for what always runs. Cancellation: drops that, too."""
        if self.updates is not None:
            self.updates.discard("its step failed")
            await self.updates.run()


class _Nobody:
    """Takes what a step says when nobody listens."""

    def __init__(self, plan: Process) -> None:
        """Stand by the steps of `plan`."""
        self.plan = plan
        self.scope: LazyScope = _Scope()

    def begun(self) -> None:
        """Ignore it."""

    def ended(self, ending: Ending) -> None:
        """Ignore it."""

    def at_checkpoint(self, guest: Callable[[Any], Any]) -> None:  # noqa: ARG002 - it can't be called
        """Refuse: there is no checkpoint."""
        raise InvalidDefinitionError("ctx.at_checkpoint needs a process; run_steps stores nothing")

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Refuse: there is no checkpoint."""
        raise InvalidDefinitionError("ctx.tx needs a process; run_steps stores nothing")

    def children(self) -> ChildRuns:
        """Refuse: there is no process that could have children."""
        raise InvalidDefinitionError("ctx.run and ctx.gather need a process; run_steps has none")

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Ignore progress."""

    def beat(self) -> None:
        """Ignore a heartbeat."""

    def defer(
        self, frame: FrameType, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        """Take a function that is to be called after the step."""
        defer_into(self.scope.open(), frame, function, *args, **options)
