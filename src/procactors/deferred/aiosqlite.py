"""Deferral's view of a plain aiosqlite connection.

SQLite's Python driver tells nobody when a transaction ends, so the adapter wraps the connection's own
methods that execute statements or end something: it sees what goes through these, whoever calls them, but
not what a cursor executes on its own, nor savepoints within a script.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from aiosqlite.context import contextmanager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiosqlite import Connection

_EXECUTING = ("execute", "executemany", "execute_insert", "execute_fetchall")
"""Methods of a connection that execute a statement."""
_KEY = "_procactors_deferred"
"""Attribute in which a connection keeps its adapter, so that it is wrapped once only."""
_CONTROL = re.compile(
    r"\s*(?:(?P<savepoint>SAVEPOINT)|(?P<release>RELEASE)(?:\s+SAVEPOINT)?"
    r"|(?P<back>ROLLBACK)(?:\s+TRANSACTION)?\s+TO(?:\s+SAVEPOINT)?)\s+(?P<name>\S+?)\s*;?\s*\Z"
    r"|\s*(?P<rollback>ROLLBACK)\b",
    re.IGNORECASE,
)


class AiosqliteTransactions:
    """The transactions of one connection."""

    def __init__(self, connection: Connection) -> None:
        """Take part in the transactions of `connection`, which is open."""
        self.connection = connection
        self._levels: list[tuple[str, list[Callable[[bool], None]]]] = [("", [])]
        """Callbacks per open savepoint, the outermost first; at the front those of none."""
        self._commits_each = False
        self._sections = 0
        self._own_commit = connection.commit
        wrapped: dict[str, Any] = {
            **{name: partial(_execute, self, getattr(connection, name)) for name in _EXECUTING},
            "executescript": partial(_execute_script, self, connection.executescript),
            "commit": partial(self._then, connection.commit, is_rollback=False),
            "rollback": partial(self._then, connection.rollback, is_rollback=True),
            "close": partial(self._then, connection.close, is_rollback=True),
            _KEY: self,
        }
        vars(connection).update(wrapped)

    # What deferral asks.

    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        try:
            return self.connection.in_transaction
        except ValueError:  # the connection is closed
            return False

    async def begin(self) -> None:
        """Begin a transaction. Cancellation: it may have begun; roll back."""
        await self.connection.execute("BEGIN")

    async def commit(self) -> None:
        """Commit, if a transaction is open. Cancellation: it may have been committed."""
        if self.in_transaction():
            await self.connection.commit()

    async def rollback(self) -> None:
        """Roll back, if a transaction is open. Cancellation: it may have been rolled back."""
        if self.in_transaction():
            await self.connection.rollback()

    def on_resolution(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(committed)` when the transaction, or the innermost savepoint, is over.

        A savepoint that is released passes its callbacks on to what is around it.
        """
        if self.in_transaction():
            self._levels[-1][1].append(callback)
        else:
            callback(True)

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[None]:
        """Commit after each statement. Cancellation: what was executed stays."""
        await self.commit()
        self._commits_each = True
        try:
            yield
        finally:
            self._commits_each = False

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[None]:
        """Open a savepoint. Cancellation: it is rolled back with the round."""
        self._sections += 1
        name = f"procactors_{self._sections}"
        await self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except Exception:
            await self.connection.execute(f"ROLLBACK TO {name}")
            await self.connection.execute(f"RELEASE {name}")
            raise
        await self.connection.execute(f"RELEASE {name}")

    # What goes through the connection.

    async def _then(self, function: Callable[[], Any], *, is_rollback: bool) -> None:
        is_open = self.in_transaction()
        await function()
        if is_open:
            self._resolve(committed=not is_rollback)

    async def executed(
        self, execution: Awaitable[Any], control: re.Match[str] | None = None, *, is_script: bool = False
    ) -> Any:
        """Wait for an execution, and see what it has done to the transaction.

        Args:
            execution: What to wait for.
            control: What the statement controls; None: nothing.
            is_script: Whether it is a script, before which the driver commits.

        Cancellation: it may have been executed.
        """
        was_open = self.in_transaction()
        try:
            result = await execution
        except BaseException:
            if was_open and not self.in_transaction():
                self._resolve(committed=is_script)
            raise
        if control is not None and control["name"]:
            self._note_savepoint(control)
        if self._commits_each and self.in_transaction() and (control is None or not control["name"]):
            await self._own_commit()
        if was_open and not self.in_transaction():
            self._resolve(committed=control is None or not control["rollback"])
        return result

    def _note_savepoint(self, control: re.Match[str]) -> None:
        name = control["name"].strip("\"'`[]").casefold()
        if control["savepoint"]:
            self._levels.append((name, []))
            return
        # one that is not known was opened before the adapter was made, around all that it knows
        place = max((i for i, (known, _) in enumerate(self._levels) if known == name), default=0)
        ended, self._levels = self._levels[place:], self._levels[:place] or [("", [])]
        callbacks = [callback for _, group in ended for callback in group]
        if control["release"]:
            self._levels[-1][1].extend(callbacks)
            return
        self._levels.append((name, []))
        for callback in callbacks:
            callback(False)

    def _resolve(self, *, committed: bool) -> None:
        levels, self._levels = self._levels, [("", [])]
        for _, callbacks in levels:
            for callback in callbacks:
                callback(committed)


# These stand for methods of a connection: to be awaited, or used by `async with`.


@contextmanager
async def _execute(
    transactions: AiosqliteTransactions,
    function: Callable[..., Awaitable[Any]],
    sql: str,
    *args: Any,
    **more: Any,
) -> Any:
    return await transactions.executed(function(sql, *args, **more), _CONTROL.match(sql))


@contextmanager
async def _execute_script(
    transactions: AiosqliteTransactions, function: Callable[..., Awaitable[Any]], sql_script: str
) -> Any:
    return await transactions.executed(function(sql_script), is_script=True)


def adapter_of(connection: Connection) -> AiosqliteTransactions:
    """Return the adapter of a connection, the one it has or a new one."""
    known: AiosqliteTransactions | None = vars(connection).get(_KEY)
    return AiosqliteTransactions(connection) if known is None else known
