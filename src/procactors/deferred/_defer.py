"""Defers a call: into the scope that a context variable carries, from any depth of calls.

Whoever opens a scope (the middleware around a request, a step, `deferred_scope`) makes a queue current;
what runs within it, in other tasks and in threads too, defers into that queue and into no other.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from procactors.deferred._current import CURRENT
from procactors.deferred._stage import Stage
from procactors.deferred._updates import CallableUpdate, KeyedUpdate
from procactors.errors import NoDeferredScopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from types import FrameType
    from typing import TypeAlias

    from procactors.deferred._queue import DeferredUpdates

    Merge: TypeAlias = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]


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
        ValueError: `merge` is given without `key`, or `stage` is neither PRESEND nor POSTSEND.
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
