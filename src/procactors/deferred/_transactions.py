"""What deferral has to know of a database: is a transaction open, end it, tell me how it ended.

`Transactions` is a small protocol, so that any database can take part. Adapters for SQLAlchemy and
aiosqlite are beside this file; their libraries are imported only when one of their objects comes in.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

_ADAPTERS = {"sqlalchemy": "procactors.deferred.sqlalchemy", "aiosqlite": "procactors.deferred.aiosqlite"}
"""Package of a database object -> module whose `adapter_of(object)` returns its `Transactions`."""


class Transactions(Protocol):
    """The transactions of one database connection or session.

    Three more methods are used where they exist. `has_changes()` tells whether the open transaction
    has anything to lose; without it every open transaction counts. `autocommit()` and `atomic()`
    return async context managers for the updates of these names.
    """

    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        ...

    async def begin(self) -> None:
        """Begin a transaction. One that is open without changes may be ended for it.

        Cancellation: it may have begun; a rollback follows.
        """
        ...

    async def commit(self) -> None:
        """Commit the open transaction, if there is one. Cancellation: it may have been committed."""
        ...

    async def rollback(self) -> None:
        """Roll the open transaction back, if there is one. Cancellation: it may still be open."""
        ...

    def on_resolution(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(committed)` once, when the transaction that is open now is over.

        `committed` is false if it, or a savepoint in which `on_resolution` was called, is rolled back.
        """
        ...


def transactions_of(database: Any) -> Transactions:
    """Return `database` if it is an adapter itself, else the adapter for it.

    Raises:
        TypeError: There is no adapter for such an object.
    """
    if hasattr(database, "on_resolution"):
        return cast("Transactions", database)
    for cls in type(database).__mro__:
        module = _ADAPTERS.get(cls.__module__.partition(".")[0])
        if module is not None:
            adapter: Transactions = importlib.import_module(module).adapter_of(database)
            return adapter
    problem = (
        f"{type(database).__qualname__} has no transactions that deferral knows: give it a session, an "
        "engine or a connection of SQLAlchemy or aiosqlite, or an object with the methods of Transactions"
    )
    raise TypeError(problem)


def several(databases: Iterable[Any]) -> Iterable[Any]:
    """Return databases as they are.

    Raises:
        TypeError: It is a single one. (A session of SQLAlchemy can be iterated over, over its objects.)
    """
    if type(databases) is tuple:
        return databases
    if isinstance(databases, Iterable) and not hasattr(databases, "in_transaction"):
        return databases
    problem = f"cancel_on_rollback=... takes a list of databases, not {databases!r}"
    raise TypeError(problem)


async def autocommit(database: Any, function: Callable[[Any], Any]) -> None:
    """Call `function(database)` so that each of its statements is committed by itself.

    Without a mode for that the transaction is ended before, and what the function leaves open is
    committed with the round. Cancellation: leaves the mode.
    """
    transactions = transactions_of(database)
    mode = getattr(transactions, "autocommit", None)
    if mode is not None:
        await _within(mode(), database, function)
        return
    await transactions.commit()
    await called(function, database)


async def atomic(database: Any, function: Callable[[Any], Any]) -> None:
    """Call `function(database)` in an atomic section, or else within the round, or a transaction of its own.

    Cancellation: the section is rolled back.
    """
    transactions = transactions_of(database)
    section = getattr(transactions, "atomic", None)
    if section is not None:
        await _within(section(), database, function)
    elif transactions.in_transaction():
        await called(function, database)
    else:
        await _in_transaction(transactions, database, function)


async def _in_transaction(transactions: Transactions, database: Any, function: Callable[[Any], Any]) -> None:
    await transactions.begin()
    try:
        await called(function, database)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await transactions.rollback()
        raise
    await transactions.commit()


async def _within(
    section: AbstractAsyncContextManager[object], database: Any, function: Callable[[Any], Any]
) -> None:
    async with section:
        await called(function, database)


async def called(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(*args)`, plain or async, and return what comes of it."""
    result = function(*args)
    return await result if isawaitable(result) else result
