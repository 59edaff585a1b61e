"""The kinds of update.

An update is any object with a `run()`, plain or async. The base classes here say how it wants to be
queued (data first, merged, handed on when it fails) and in what transaction round it runs; they know
nothing of queues. A new kind goes here, its place in the order into `_rounds.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from procactors.deferred._transactions import atomic, autocommit, several, transactions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from procactors.deferred._origin import Origin


class Update(Protocol):
    """What can be deferred."""

    def run(self) -> Any:
        """Do the work; may be a coroutine function."""
        ...


class RoundRequirement(Enum):
    """Whether an update runs inside a transaction round. Said by an attribute `round_requirement`.

    An update without that attribute runs in a round, and may not run other updates itself.
    """

    PRESENT = "present"
    """It runs in a round that is begun before it and committed after it."""
    ABSENT = "absent"
    """No round is open while it runs, so that it may define its own, or run other updates."""


class DataUpdate:
    """Base class of updates that run before the others of their round."""

    def run(self) -> Any:
        """Do the work; may be a coroutine function."""
        raise NotImplementedError


class MergeableUpdate:
    """Base class of updates of which a queue holds one per class: a further one is merged into it.

    The merged update goes to the end of the queue. One that a running update adds waits for the others
    at the root of the scope.
    """

    def run(self) -> Any:
        """Do the work of all that was merged; may be a coroutine function."""
        raise NotImplementedError

    def merge(self, other: Any) -> None:
        """Take over the work of `other`, which is of exactly this class and was deferred later.

        If it raises, whoever deferred `other` gets the error, and this one has to be as before.
        """
        raise NotImplementedError

    def merge_key(self) -> Hashable:
        """Return what two updates have in common that merge; by default their exact class."""
        return type(self)  # type: ignore[return-value]  # mypy looks at the instances' hash


class EnqueueableUpdate:
    """Base class of updates that become a process when they fail: durable, and retried."""

    def run(self) -> Any:
        """Do the work; may be a coroutine function."""
        raise NotImplementedError

    def as_process(self) -> tuple[Any, Any]:
        """Return the process that does the same work, and its data: what `manager.start` takes."""
        raise NotImplementedError


class CancellableUpdate:
    """Base class of updates that a rollback can cancel. Cancelled, it stays queued and does nothing."""

    is_cancelled = False
    """True once a transaction that it belongs to was rolled back."""

    def __init__(self, cancel_on_rollback: Iterable[Any], origin: Origin | str | None) -> None:
        """Be cancelled when a transaction that is open now on one of these databases is rolled back."""
        self.origin = origin
        self.open_transactions = 0
        """How many transactions that it belongs to are not over."""
        for database in several(cancel_on_rollback):
            transactions = transactions_of(database)
            if transactions.in_transaction():
                self.open_transactions += 1
                transactions.on_resolution(self._resolved)

    def _resolved(self, committed: bool) -> None:  # noqa: FBT001 - a callback gets it by position
        self.open_transactions -= 1
        if not committed:
            self.is_cancelled = True


def settled(update: Any) -> bool:
    """Bring an update into the state in which it would run now; tell whether it is cancelled."""
    settle = getattr(update, "settle", None)
    if settle is not None:
        settle()
    return bool(getattr(update, "is_cancelled", False))


class CallableUpdate(CancellableUpdate):
    """Calls a function, plain or async."""

    round_requirement: RoundRequirement = RoundRequirement.PRESENT

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        origin: Origin | str | None = None,
        cancel_on_rollback: Iterable[Any] = (),
    ) -> None:
        """Make an update that calls `function(*args)`.

        Args:
            function: What to call; may be a coroutine function.
            args: Its arguments.
            origin: Who defers it, if it is not the line that adds it to the queue.
            cancel_on_rollback: Databases (adapters, or objects that have one); if a transaction that
                is open on one of them now is rolled back, the function is not called.
        """
        if not callable(function):
            problem = f"what is deferred has to be callable, not {function!r}"
            raise TypeError(problem)
        super().__init__(cancel_on_rollback, origin)
        self.function = function
        self.args = args

    def run(self) -> Any:
        """Call the function, unless a rollback has cancelled it."""
        return None if self.is_cancelled else self.function(*self.args)


class KeyedUpdate(CallableUpdate, MergeableUpdate):
    """A function that is deferred under a key: what `defer(function, key=..., merge=...)` makes."""

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        key: Hashable,
        merge: Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]] | None = None,
        origin: Origin | str | None = None,
        cancel_on_rollback: Iterable[Any] = (),
    ) -> None:
        """Make an update of which a queue holds one per `key`.

        Args:
            function: What to call; may be a coroutine function.
            args: Its arguments.
            key: What those have in common that merge.
            merge: `merge(old_args, new_args)` returns the arguments to call with; None: the newest.
            origin: See `CallableUpdate`.
            cancel_on_rollback: See `CallableUpdate`. A rollback takes back only what belonged to it.
        """
        super().__init__(function, *args, origin=origin, cancel_on_rollback=cancel_on_rollback)
        self.key = key
        self.merge_args = merge
        self._later: list[KeyedUpdate] = []
        """Merged into this one, but to be applied when it is known how their transactions ended."""

    def merge(self, other: KeyedUpdate) -> None:
        """Call the newer function, with its arguments merged into the ones before."""
        if self._is_unsettled() or other._is_unsettled():
            self._later += [other, *other._later]
        else:
            self._take(other)

    def _is_unsettled(self) -> bool:
        return bool(self._later or self.is_cancelled or self.open_transactions)

    def _take(self, other: KeyedUpdate) -> None:
        merge = other.merge_args
        self.args = other.args if merge is None else tuple(merge(self.args, other.args))
        self.function = other.function

    def settle(self) -> None:
        """Make out of what was merged, and not cancelled, one call."""
        for other in self._later:
            if other.is_cancelled:
                continue
            if self.is_cancelled:
                self.function, self.args, self.is_cancelled = other.function, other.args, False
            else:
                self._take(other)
        self._later.clear()

    def run(self) -> Any:
        """Call the function with what was merged and not cancelled."""
        self.settle()
        return super().run()

    def merge_key(self) -> Hashable:
        """Return the key, told apart from those of classes."""
        return (KeyedUpdate, self.key)


class TransactionRoundDefiningUpdate(CallableUpdate):
    """Calls a function outside of any transaction round: it may begin its own, and run other updates."""

    round_requirement = RoundRequirement.ABSENT

    def __init__(self, function: Callable[..., Any], *, origin: Origin | str | None = None) -> None:
        """Make an update that calls `function()`; see `CallableUpdate` for `origin`."""
        super().__init__(function, origin=origin)


class _DatabaseUpdate(CancellableUpdate):
    """Calls a function with a database."""

    def __init__(
        self,
        database: Any,
        function: Callable[[Any], Any],
        *,
        origin: Origin | str | None = None,
        cancel_on_rollback: Iterable[Any] = (),
    ) -> None:
        """Make an update that calls `function(database)`.

        Args:
            database: An adapter, or an object that has one, such as a session; its rollback cancels.
            function: What to call; may be a coroutine function.
            origin: See `CallableUpdate`.
            cancel_on_rollback: Further databases whose rollback cancels; see `CallableUpdate`.
        """
        super().__init__((*cancel_on_rollback, database), origin)
        self.database = database
        self.function = function


class AutoCommitUpdate(_DatabaseUpdate):
    """Calls a function whose every statement is committed by itself, and stays when it fails."""

    async def run(self) -> None:
        """Call the function with its database in autocommit mode. Cancellation: leaves that mode."""
        if not self.is_cancelled:
            await autocommit(self.database, self.function)


class AtomicSectionUpdate(_DatabaseUpdate):
    """Calls a function inside an atomic section of its database: all of it or nothing."""

    async def run(self) -> None:
        """Call the function in an atomic section. Cancellation: the section is rolled back."""
        if not self.is_cancelled:
            await atomic(self.database, self.function)
