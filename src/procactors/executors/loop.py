"""Runs async code on the event loop itself, in the task of its process."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from procactors.executors.call import Later

if TYPE_CHECKING:
    import msgspec

    from procactors.executors._executor import StepRun
    from procactors.executors.call import PreparedStep
    from procactors.executors.context import StepContext
    from procactors.executors.thread import ThreadPool


class LoopExecutor:
    """Calls a step and awaits what is to be awaited; what a factory made plain goes to a thread."""

    stop_s = 0.0

    def __init__(self, threads: ThreadPool) -> None:
        """Use these threads for what must not be called on the loop."""
        self._threads = threads

    async def run(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext, run: StepRun) -> Any:
        """Run a step in the calling task. Cancellation: goes into the step."""
        value = prepared.call(data, ctx)
        if type(value) is Later:
            return await self._threads.call(value.call, run)
        if type(value) is CoroutineType or inspect.isawaitable(value):
            return await value
        return value
