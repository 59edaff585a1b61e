"""Attempts an update in the transaction round that it asks for.

At most one round is open in a scope. The update that opened it commits it, or the rollback after its
failure ends it; an update that finds a round open, or changes that nobody has committed, is refused:
it would be committed or lost together with work that is not its own.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from procactors.deferred._in_context import enter, within
from procactors.deferred._origin import name_of
from procactors.deferred._updates import RoundRequirement
from procactors.errors import IllegalRecursionError, RoundPendingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context

    from procactors.deferred._current import Place
    from procactors.deferred._transactions import Transactions


class TransactionRound:
    """The transaction round of one scope."""

    __slots__ = ("_has_changes", "_is_refused", "_transactions", "owner")

    def __init__(self, transactions: Transactions | None) -> None:
        """Begin without an open round; None: there is no database, rounds are only kept account of."""
        self.owner: Any = None
        """The update whose round is open; None if none is."""
        self._is_refused = False
        self._transactions = transactions
        self._has_changes: Callable[[], bool] | None = None
        if transactions is not None:
            self._has_changes = getattr(transactions, "has_changes", transactions.in_transaction)

    def is_in_transaction(self) -> bool:
        """Tell whether a round or any transaction is open."""
        transactions = self._transactions
        return self.owner is not None or (transactions is not None and transactions.in_transaction())

    def when_resolved(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(committed)` when the transaction that is open now is over."""
        if self._transactions is not None and self._transactions.in_transaction():
            self._transactions.on_resolution(callback)

    def start(self, update: Any, context: Context, place: Place) -> Coroutine[Any, Any, None] | None:
        """Attempt `update`, within `context` and at `place`, as far as that needs no waiting.

        Returns:
            What is left to be awaited; None: nothing, it is over.

        Raises:
            Exception: As `attempt`.
        """
        if self._transactions is not None:
            return self.attempt(update, context, place)
        self._enter(update)
        result = context.run(enter, place, update.run)
        if result is not None and isawaitable(result):
            return self._end(update, within(context, result))
        self._leave(update)
        return None

    async def _end(self, update: Any, result: Awaitable[Any]) -> None:
        await result
        self._leave(update)

    async def attempt(
        self,
        update: Any,
        context: Context | None = None,
        place: Place | None = None,
    ) -> None:
        """Run `update` in a round of its own, or in none if it asks for that, and commit.

        Args:
            update: What to run.
            context: The context to run it in; None: the caller's.
            place: The queue and the level it runs in, if `context` is given.

        Raises:
            RoundPendingError: A round is open or changes are pending; the update was not run. Or: it
                ran, but has left a round open that is not its own.
            Exception: What the update or the commit raised. The round is still open then.

        Cancellation: the round is still open.
        """
        self._enter(update)
        if self._transactions is not None:
            await self._begin(self._transactions)
        result = update.run() if context is None or place is None else context.run(enter, place, update.run)
        if result is not None and isawaitable(result):
            await within(context, result)
        self._leave(update)
        if self._transactions is not None:
            await self._transactions.commit()

    def _enter(self, update: Any) -> None:
        if self.owner is not None or (self._has_changes is not None and self._has_changes()):
            problem = "A transaction round is pending: commit or roll back before running updates."
            raise RoundPendingError(problem)
        if getattr(update, "round_requirement", None) is not RoundRequirement.ABSENT:
            self.owner = update

    async def _begin(self, transactions: Transactions) -> None:
        """Begin the round that was entered, or commit what is left over if there is none."""
        if self.owner is None:
            await transactions.commit()
            return
        try:
            await transactions.begin()
        except BaseException:
            self.owner = None
            raise
        transactions.on_resolution(self._over)

    def _leave(self, update: Any) -> None:
        if self.owner is not update and self.owner is not None:
            self._refuse_foreign_round(update)
        self.owner = None

    def _refuse_foreign_round(self, update: Any) -> None:
        owner, own = round_name(self.owner), round_name(update)
        if self._is_refused:
            problem = f"{own}: the transaction round of {owner} has to be rolled back first."
        elif owner != own:
            problem = f"{own}: the transaction round of {owner} is still running."
        else:
            return
        self._is_refused = True
        raise RoundPendingError(problem)

    async def rollback(self) -> None:
        """End the round, and roll back whatever is open."""
        self.owner = None
        self._is_refused = False
        if self._transactions is not None:
            await self._transactions.rollback()

    def _over(self, _committed: bool) -> None:  # noqa: FBT001 - a callback gets it by position
        self.owner = None
        self._is_refused = False


def refuse_recursion(owner: Any) -> None:
    """Raise IllegalRecursionError unless `owner`, the update whose level it is, may run others."""
    requirement = getattr(owner, "round_requirement", None)
    if requirement is None:
        problem = f"{name_of(owner)} is not aware of transaction rounds, so it may not run other updates."
    elif requirement is not RoundRequirement.ABSENT:
        problem = f"{name_of(owner)} requires a transaction round, so it may not run other updates."
    else:
        return
    raise IllegalRecursionError(problem)


def round_name(update: Any) -> str:
    """Return the name under which an update opens its round: its own origin, or that of its class."""
    origin = getattr(update, "origin", None)
    return str(origin) if origin is not None else name_of(update)
