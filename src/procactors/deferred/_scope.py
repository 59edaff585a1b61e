"""A scope for a script or a job, which schedules itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio

from procactors.deferred._queue import DeferredUpdates
from procactors.deferred._wake import Wake

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

_log = logging.getLogger("procactors.deferred")


def deferred_scope(
    manager: Any = None,
    opportunistic: bool = True,  # noqa: FBT001, FBT002 - the order is part of the contract
    *,
    transactions: Any = None,
    enqueue: Callable[[Any, Any], Any] | None = None,
    keep: Callable[[Any], Any] | None = None,
) -> DeferredScope:
    """Open a scope for a script or a job, by `async with`, and get its queue.

    At the end of the block everything that is left runs. If the block raises, updates are dropped, with
    a warning, but for those that were added with `always=True`.

    Args:
        manager: Who takes processes; see `DeferredUpdates`.
        opportunistic: Whether to run updates meanwhile too, in a task beside the block, whenever no
            transaction is open.
        transactions: The database in whose transactions the updates run; see `DeferredUpdates`.
        enqueue: See `DeferredUpdates`.
        keep: See `DeferredUpdates`.
    """
    return DeferredScope(
        DeferredUpdates(
            transactions, manager=manager, enqueue=enqueue, opportunistic=opportunistic, keep=keep
        )
    )


class DeferredScope:
    """A scope that schedules itself; made by `deferred_scope`."""

    def __init__(self, updates: DeferredUpdates) -> None:
        """Make a scope around the queue `updates`."""
        self._updates = updates
        self._current: AbstractContextManager[DeferredUpdates] = updates.as_current()
        self._group: anyio.abc.TaskGroup | None = None
        self._woken: anyio.Event | None = None
        self._is_ending = False

    async def __aenter__(self) -> DeferredUpdates:
        """Open the scope and return its queue."""
        if self._updates.opportunistic:
            self._woken = anyio.Event()
            self._group = await anyio.create_task_group().__aenter__()
            self._group.start_soon(self._serve, self._woken)
            self._updates.on_ready(Wake(self._wake))
        self._current.__enter__()
        return self._updates

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Run what is left and close the scope.

        Cancellation: the update in progress is rolled back, the others are logged.
        """
        updates = self._updates
        self._current.__exit__(None, None, None)
        try:
            await self._end_serving()
            if error is not None:
                updates.discard(f"its scope was left by {type(error).__name__}")
            if error is None or isinstance(error, Exception):
                await updates.run()
        finally:
            updates.close()
            await updates.hand_over()

    def _wake(self, _updates: DeferredUpdates) -> None:
        assert self._woken is not None
        self._woken.set()

    async def _serve(self, woken: anyio.Event) -> None:
        """Run whenever that is allowed, until the scope ends."""
        while True:
            await woken.wait()
            if self._is_ending:
                return
            self._woken = woken = anyio.Event()
            try:
                await self._updates.try_opportunistic_run()
            except Exception:  # noqa: BLE001 - the next run may be better
                _log.exception("an opportunistic run of deferred updates ended by an error")

    async def _end_serving(self) -> None:
        """Let the run in progress end, and begin no other."""
        if self._group is not None and self._woken is not None:
            self._updates.on_ready(None)
            self._is_ending = True
            self._woken.set()
            await self._group.__aexit__(None, None, None)
