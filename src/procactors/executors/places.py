"""The executors of one manager: the event loop, threads, OS processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.executors.loop import LoopExecutor
from procactors.executors.process_pool import ProcessPool
from procactors.executors.thread import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors._clock import Clock
    from procactors.executors._executor import Executor
    from procactors.executors.call import PreparedStep
    from procactors.options import ManagerOptions


class Executors:
    """Says where a step runs; nothing is started before it is needed."""

    def __init__(
        self, clock: Clock, options: ManagerOptions, trace_context: Callable[[], str | None] = lambda: None
    ) -> None:
        """Make them; `trace_context` returns the traceparent of the task that asks, if it is traced."""
        self._threads = ThreadPool(clock)
        self._processes = ProcessPool(clock, options, trace_context)
        self._by_place: dict[str, Executor] = {
            "loop": LoopExecutor(self._threads),
            "thread": self._threads,
            "process": self._processes,
        }

    def of(self, prepared: PreparedStep) -> Executor:
        """Return the executor that runs this step."""
        return self._by_place[prepared.place]

    async def close(self) -> None:
        """End all idle threads, and all workers. Cancellation: it is done all the same."""
        self._threads.close()
        await self._processes.close()
