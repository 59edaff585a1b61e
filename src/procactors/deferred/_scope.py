"""The current scope: a context variable carries it, so that `defer` works from any depth of calls.

Whoever opens a scope (the middleware around a request, a step, `deferred_scope`) makes a queue current;
what runs within it, in other tasks and in threads too, defers into that queue and into no other.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import anyio

from procactors.deferred._current import CURRENT
from procactors.deferred._queue import DeferredUpdates
from procactors.deferred._stage import Stage
from procactors.deferred._updates import CallableUpdate, KeyedUpdate
from procactors.deferred._wake import Wake
from procactors.errors import NoDeferredScopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from contextlib import AbstractContextManager
    from types import FrameType, TracebackType
    from typing import TypeAlias

    Merge: TypeAlias = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]

_log = logging.getLogger("procactors.deferred")


def current_updates() -> DeferredUpdates:
    """Return the queue of the scope that the caller is in.

    Raises:
        NoDeferredScopeError: It is in none.
    """
    place = CURRENT.get()
    if place is None:
        raise NoDeferredScopeError
    return place[0] if isinstance(place, tuple) else place.open()


def defer(  # noqa: PLR0913 - one call says all there is to say of a deferral
    function: Callable[..., Any],
    *args: Any,
    stage: Stage = Stage.POSTSEND,
    after_commit: Any = None,
    cancel_on_rollback: Iterable[Any] = (),
    key: Hashable = None,
    merge: Merge | None = None,
    durable: bool = False,
    always: bool = False,
) -> None:
    """Have `function(*args)` called at `stage` of the current scope. Never blocks.

    Args:
        function: What to call; may be a coroutine function.
        args: Its arguments.
        stage: PRESEND, before the response is sent or the checkpoint is written; or POSTSEND, after.
        after_commit: A database; if it has an open transaction, the call waits for its commit and is
            dropped if it rolls back. If the transaction is still open when `stage` comes, the call is
            made after it is resolved; no run ever waits for it.
        cancel_on_rollback: Databases; if a transaction that is open on one of them now is rolled back
            before the call is made, the call is not made.
        key: Of the calls with one key only one is made; None: this call is made by itself.
        merge: `merge(old_args, new_args)` returns the arguments for that one; None: the newest.
        durable: Whether to have the call kept as a process, which survives a crash.
        always: Whether to make the call even if what the scope is around fails.

    Raises:
        NoDeferredScopeError: The caller is in no scope, or in one that has ended.
        TypeError: `function` can't be called.
        DeferredError: `durable` is asked for and there is nobody to keep it.
        InvalidDefinitionError: `durable` is asked for, and `function` could not be found again after a
            crash: it is a lambda, say, or local to a function.
        InvalidDataError: `durable` is asked for, and `args` are not JSON-able, or too large
            (PayloadTooLargeError).
        Exception: What `merge` raised; the queue is as before.
    """
    updates = current_updates()
    update = _update_of(function, args, cancel_on_rollback, key, merge)
    frame = sys._getframe(1)  # noqa: SLF001 - the caller's line
    updates.put(update, stage, frame, after_commit, always=always, durable=durable)


def defer_into(  # noqa: PLR0913 - as `defer`
    updates: DeferredUpdates,
    frame: FrameType,
    function: Callable[..., Any],
    *args: Any,
    stage: Stage = Stage.POSTSEND,
    after_commit: Any = None,
    cancel_on_rollback: Iterable[Any] = (),
    key: Hashable = None,
    merge: Merge | None = None,
    durable: bool = False,
    always: bool = False,
) -> None:
    """Do as `defer` does, in a given queue, on behalf of the line that `frame` is at.

    Raises:
        Exception: As `defer`.
    """
    update = _update_of(function, args, cancel_on_rollback, key, merge)
    updates.put(update, stage, frame, after_commit, always=always, durable=durable)


def _update_of(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    cancel_on_rollback: Iterable[Any],
    key: Hashable,
    merge: Merge | None,
) -> CallableUpdate:
    if key is not None:
        return KeyedUpdate(function, *args, key=key, merge=merge, cancel_on_rollback=cancel_on_rollback)
    if merge is not None:
        problem = "merge=... says how calls with one key become one; give key=... too"
        raise ValueError(problem)
    return CallableUpdate(function, *args, cancel_on_rollback=cancel_on_rollback)


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
