"""Runs async code on the event loop itself, in the task of its process."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from procactors.executors.call import Later

if TYPE_CHECKING:
    import msgspec

    from procactors.executors.call import PreparedStep
    from procactors.executors.context import StepContext
    from procactors.executors.thread import ThreadPool


async def run_on_loop(
    prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext, threads: ThreadPool
) -> Any:
    """Call a step and await what is to be awaited; what a factory made plain goes to a thread."""
    value = prepared.call(data, ctx)
    if type(value) is Later:
        return await threads.run(value.call)
    if inspect.isawaitable(value):
        return await value
    return value
