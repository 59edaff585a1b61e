"""What only asyncio knows of the task in which code runs; on another loop the answer is "nothing"."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


def host_task() -> asyncio.Task[Any] | None:
    """Return the asyncio task in which this code runs; None outside of tasks and on other loops."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def was_cancelled() -> bool:
    """Tell whether somebody asked the current task to end, when it got a cancellation.

    A `CancelledError` also comes out of a cancelled future on which a task waits, though nobody
    cancelled the task. Trio has nothing like it.
    """
    task = host_task()
    return task is None or task.cancelling() > 0


def cancel_tasks_below(task: asyncio.Task[Any] | None = None) -> None:
    """Cancel the tasks in the task groups that `task` (None: the current one) has open, shielded or not."""
    task = task or host_task()
    if task is not None:
        for below in tuple(_tasks_below(task)):
            below.cancel()


def _tasks_below(task: asyncio.Task[Any]) -> Iterator[asyncio.Task[Any]]:
    parents = {info.id: info.parent_id for info in anyio.get_running_tasks()}
    for other in asyncio.all_tasks():
        above = parents.get(id(other))
        while above is not None and above != id(task):
            above = parents.get(above)
        if above is not None:
            yield other
