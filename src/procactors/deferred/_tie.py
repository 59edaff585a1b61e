"""Ties an update to the transaction in which it was deferred: `after_commit`.

It becomes eligible when that transaction commits and is dropped when it rolls back. Nobody waits for
either: an update whose turn comes while the transaction is open is parked, and comes back by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.deferred._transactions import transactions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.deferred._transactions import Transactions


class Tie:
    """One update's tie to one transaction."""

    __slots__ = ("_when_resolved", "is_dropped", "is_waiting")

    def __init__(self, transactions: Transactions) -> None:
        """Tie to the transaction that is open now."""
        self.is_waiting = True
        """True while the transaction is open."""
        self.is_dropped = False
        """True once it was rolled back."""
        self._when_resolved: Callable[[bool], None] | None = None
        transactions.on_resolution(self._resolve)

    def park(self, when_resolved: Callable[[bool], None]) -> None:
        """Have `when_resolved(committed)` called when the transaction is over."""
        self._when_resolved = when_resolved

    def _resolve(self, committed: bool) -> None:  # noqa: FBT001 - a callback gets it by position
        self.is_waiting = False
        self.is_dropped = not committed
        if self._when_resolved is not None:
            self._when_resolved(committed)


def tie_to(database: Any) -> Tie | None:
    """Return a tie to the transaction that is open on `database`; None if none is.

    Raises:
        TypeError: There is no adapter for such an object.
    """
    transactions = transactions_of(database)
    return Tie(transactions) if transactions.in_transaction() else None
