"""The child tasks of one actor: their ends come back to it as messages."""

from __future__ import annotations

import logging
from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors._exit import Abandoned, Exit, Normal, exit_by
from procactors.actors._host import cancel_tasks_below
from procactors.actors._leave import Leavable, LeftBehindError
from procactors.actors._signals import TaskEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio import TaskHandle

    from procactors.actors._cell import Cell

_log = logging.getLogger("procactors.actors")


class ChildTasks:
    """Runs functions beside an actor, within its life."""

    __slots__ = ("_running", "_started")

    def __init__(self) -> None:
        """Begin with none."""
        self._running: dict[int, _ChildTask] = {}
        self._started = 0

    def spawn(
        self, cell: Cell, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], name: str
    ) -> None:
        """Start one for the actor in `cell`.

        Raises:
            ActorStoppedError: The life of the actor is over.
            KeyError: Its mailbox has no lane for `TaskEnded`.
        """
        cell.check_living()
        cell.turns.mailbox.check_lane(TaskEnded)
        self._started += 1
        task = _ChildTask(self._started, f"{cell.name}/{name}", function, args)
        self._running[task.number] = task
        task.handle = cell.supervisor.group.create_task(
            self._run(cell, task, name), name=task.full_name, context=Context()
        )

    async def _run(self, cell: Cell, task: _ChildTask, name: str) -> None:
        end = await task.end()
        if self._running.pop(task.number, None) is not None:
            cell.signal(TaskEnded(name, task.number, end))
        if type(end) is Abandoned:
            cancel_tasks_below()
            _log.error("task %s ignored cancellation; it was abandoned", task.full_name)
            cell.system.observer.actor_abandoned(task.full_name)
            await cell.supervisor.outlast_all_else()

    async def cancel_all(self, patience_s: float) -> None:
        """Cancel all of them, wait for at most `patience_s` seconds, and leave those behind that still run.

        Their ends are not told: the life of the actor that started them is over.
        """
        if not self._running:
            return
        running, self._running = self._running, {}
        for task in running.values():
            task.handle.cancel()
        with anyio.move_on_after(patience_s):
            for task in running.values():
                await task.handle.wait()
            return
        for task in running.values():
            task.drive.leave()

    def __len__(self) -> int:
        """Return how many are running."""
        return len(self._running)


class _ChildTask:
    """One function at work."""

    __slots__ = ("drive", "full_name", "handle", "number")

    handle: TaskHandle[None]

    def __init__(
        self, number: int, full_name: str, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        self.number = number
        self.full_name = full_name
        self.drive = Leavable(_call(function, args))

    async def end(self) -> Exit:
        try:
            return Normal(await self.drive)
        except LeftBehindError:
            return Abandoned()
        except (Exception, anyio.get_cancelled_exc_class()) as error:  # noqa: BLE001 - an end is data
            return exit_by(error)


async def _call(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
    return await function(*args)
