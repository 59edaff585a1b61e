"""Deferral's view of SQLAlchemy: an `AsyncSession`, or an `AsyncEngine` with a session of its own.

It listens to the session's events, so that commits, rollbacks and savepoints are seen whoever makes
them: the application, a dependency of the web framework, or a run of deferred updates.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

try:
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
except ModuleNotFoundError as error:
    hint = f'procactors.deferred.sqlalchemy needs an extra ({error}): pip install "procactors[sqlalchemy]"'
    raise ImportError(hint) from error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

_KEY = "procactors.deferred"
"""Where a session keeps its adapter, so that it has one only."""


class SQLAlchemyTransactions:
    """The transactions of one session."""

    def __init__(self, database: AsyncSession | AsyncEngine) -> None:
        """Take part in the transactions of `database`.

        Args:
            database: A session, or an engine; for an engine a session is made, which updates find as
                `session`.
        """
        if isinstance(database, AsyncEngine):
            database = AsyncSession(database, expire_on_commit=False)
        self.session = database
        self._callbacks: dict[SessionTransaction, list[Callable[[bool], None]]] = {}
        self._committed: SessionTransaction | None = None
        self._has_written = database.in_transaction()  # nobody has seen what it did before
        session = database.sync_session
        session.info[_KEY] = self
        event.listen(session, "after_commit", self._after_commit)
        event.listen(session, "after_transaction_end", self._after_transaction_end)
        event.listen(session, "after_flush", self._after_flush)
        event.listen(session, "do_orm_execute", self._before_execute)

    # What deferral asks.

    def in_transaction(self) -> bool:
        """Tell whether the session has begun a transaction, by itself or explicitly."""
        return self.session.in_transaction()

    def has_changes(self) -> bool:
        """Tell whether the transaction holds anything but reads, as far as that was seen."""
        session = self.session
        return session.in_transaction() and (
            self._has_written or bool(session.new or session.dirty or session.deleted)
        )

    async def begin(self) -> None:
        """Begin a transaction; one that has only read is ended for it. Cancellation: none is begun."""
        await self.commit()
        await self.session.begin()

    async def commit(self) -> None:
        """Commit, if a transaction is open. Cancellation: as the session's own `commit`."""
        if self.session.in_transaction():
            await self.session.commit()

    async def rollback(self) -> None:
        """Roll back, if a transaction is open. Cancellation: as the session's own `rollback`."""
        if self.session.in_transaction():
            await self.session.rollback()

    def on_resolution(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(committed)` when the innermost transaction or savepoint is over.

        A savepoint that is released passes its callbacks on to what is around it. Closing the session
        is a rollback.
        """
        transaction = _innermost(self.session.sync_session)
        if transaction is None:
            callback(True)
        else:
            self._callbacks.setdefault(transaction, []).append(callback)

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[None]:
        """Have the driver commit each statement. Cancellation: what was executed stays."""
        await self.commit()
        await self.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[None]:
        """Open a savepoint. Cancellation: it is rolled back."""
        async with self.session.begin_nested():
            yield

    # What the session tells.

    def _after_flush(self, _session: Session, _context: Any) -> None:
        self._has_written = True

    def _before_execute(self, state: ORMExecuteState) -> None:
        text = getattr(state.statement, "text", "")
        if not (state.is_select or text.lstrip()[:6].upper() == "SELECT"):
            self._has_written = True

    def _after_commit(self, session: Session) -> None:
        self._committed = _innermost(session)

    def _after_transaction_end(self, session: Session, transaction: SessionTransaction) -> None:
        is_committed = transaction is self._committed
        self._committed = None
        if transaction.parent is None:
            self._has_written = False
        callbacks = self._callbacks.pop(transaction, ())
        around = _innermost(session) if is_committed and transaction.nested else None
        if around is not None:
            self._callbacks.setdefault(around, []).extend(callbacks)
            return
        for callback in callbacks:
            callback(is_committed)


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def adapter_of(database: Any) -> SQLAlchemyTransactions:
    """Return the adapter of a session, the one it has or a new one, or a new one for an engine.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(database, AsyncSession):
        known = database.sync_session.info.get(_KEY)
        return (
            cast("SQLAlchemyTransactions", known) if known is not None else SQLAlchemyTransactions(database)
        )
    if isinstance(database, AsyncEngine):
        return SQLAlchemyTransactions(database)
    problem = f"{type(database).__qualname__} is not an AsyncSession or an AsyncEngine of SQLAlchemy"
    raise TypeError(problem)
