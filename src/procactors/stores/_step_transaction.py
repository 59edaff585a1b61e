"""A step's own transaction in PostgreSQL: what it writes, and its checkpoint, or neither.

It has a connection of its own, so that a step may think between two statements while others write. Only for
its last moment, the checkpoint, does it take the lock of those who write events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from procactors.errors import StoreUnavailableError
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from procactors.stores._on_postgres import Connection, Session

_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


class PostgresTransaction:
    """One transaction on one connection.

    Attributes:
        connection: asyncpg's.
    """

    def __init__(self, connection: Connection, transaction: Any) -> None:
        """Go on with a transaction that has begun; see `begin`."""
        self.connection = connection
        self._transaction = transaction
        self._outcome: b.Outcome = None
        self._is_unanswered = False

    @classmethod
    async def begin(cls, session: Session) -> PostgresTransaction:
        """Connect, and begin."""

        async def work(connection: Connection) -> PostgresTransaction:
            transaction = connection.transaction()
            await transaction.start()
            return cls(connection, transaction)

        return await session.run(work)

    def nested(self) -> AbstractAsyncContextManager[Any]:
        """Return what undoes a part of it that raises."""
        nested: AbstractAsyncContextManager[Any] = self.connection.transaction()
        return nested

    async def commit(
        self,
        write: Callable[[Connection], Awaitable[b.Outcome]],
        landed: Callable[[], Awaitable[list[b.Outcome] | None]],
    ) -> b.Outcome:
        """Have a checkpoint written, and commit; if somebody wants something before, it stays open.

        If the connection is lost with the answer to the commit, the next call finds out what became of it.

        Args:
            write: Writes the checkpoint.
            landed: Returns the outcome of a checkpoint that was committed although its answer was lost.

        Raises:
            StoreUnavailableError: It is not known whether it was committed; to be called again.
        """
        if self._is_unanswered:
            found = await landed()
            self._is_unanswered = False
            self._outcome = found[0] if found else b.GuestFailed(ConnectionError("the connection was lost"))
        if self._outcome is not None:
            return self._outcome
        try:
            return await self._commit(write)
        except Exception as error:
            if self._is_unanswered and isinstance(error, _LOST):
                raise StoreUnavailableError(f"the connection was lost during a commit: {error}") from error
            self._is_unanswered = False
            self._outcome = b.GuestFailed(error)
        return self._outcome

    async def _commit(self, write: Callable[[Connection], Awaitable[b.Outcome]]) -> b.Outcome:
        nested = self.connection.transaction()
        await nested.start()
        outcome = await write(self.connection)
        if type(outcome) is not b.Written:
            await nested.rollback()  # and with it goes the lock of those who write events
            return outcome
        await nested.commit()
        self._is_unanswered = True
        await self._transaction.commit()
        self._is_unanswered = False
        self._outcome = outcome
        return outcome

    def drop(self) -> None:
        """Disconnect, at once; what was not committed is undone."""
        self.connection.terminate()
