"""The child tasks of one actor: their ends come back to it as messages."""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors._exit import Cancelled, Exit, Failed, Normal
from procactors.actors._signals import TaskEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio import TaskHandle

    from procactors.actors._cell import Cell


class ChildTasks:
    """Runs functions beside an actor, within its life."""

    __slots__ = ("_cell", "_handles", "_started")

    def __init__(self, cell: Cell) -> None:
        """Begin with none, for the actor in `cell`."""
        self._cell = cell
        self._handles: dict[int, TaskHandle[None]] = {}
        self._started = 0

    def spawn(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], name: str) -> None:
        """Start one."""
        self._started += 1
        number = self._started
        self._handles[number] = self._cell.supervisor.group.create_task(
            self._run(number, name, function, args),
            name=f"{self._cell.name}/{name}",
            context=Context(),
        )

    async def _run(
        self, number: int, name: str, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        end: Exit = Cancelled()
        try:
            end = Normal(await function(*args))
        except Exception as error:  # noqa: BLE001 - an end is data
            end = Failed(error)
        finally:
            del self._handles[number]
            signal = TaskEnded(name, number, end)
            self._cell.deliver(signal, signal)

    async def cancel_all(self, patience_s: float) -> None:
        """Cancel all of them, and wait for their ends for at most `patience_s` seconds."""
        handles = list(self._handles.values())
        for handle in handles:
            handle.cancel()
        with anyio.move_on_after(patience_s):
            for handle in handles:
                await handle.wait()

    def __len__(self) -> int:
        """Return how many are running."""
        return len(self._handles)
