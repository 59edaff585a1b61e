"""How a talk is carried on with one sqlite3 connection: at once, in whatever thread calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from procactors.errors import InvalidStateError
from procactors.stores._guest import call_guests
from procactors.stores._queries import queries_of
from procactors.stores._talk import Call, Many, One

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from procactors.stores._talk import Rows, Talk

T = TypeVar("T")

_sql = queries_of("sqlite")


_TAKE_LOCK = "UPDATE procactors_managers SET id = id WHERE false"


def converse(connection: sqlite3.Connection, talk: Talk[T]) -> T:
    """Ask what the talk wants asked, to its end, and return its result."""
    rows: Rows = ()
    try:
        query = next(talk)
        while True:
            rows = _answer(connection, query)
            query = talk.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


def transact(connection: sqlite3.Connection, talk: Talk[T]) -> T:
    """Do the same in one transaction; on an error nothing of it is done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = converse(connection, talk)
        connection.execute("COMMIT")  # on a full disk this may fail, too, and the transaction be open still
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def nest(connection: sqlite3.Connection, talk: Talk[T]) -> T:
    """Carry on a talk in the transaction that is open; on an error nothing of it is done.

    It takes the lock of writers before it reads anything, and waits for that as long as the connection does:
    whoever reads first is refused at once when another connection has written since.

    Raises:
        InvalidStateError: No transaction is open, and none begins by itself on this connection.
    """
    if not connection.in_transaction:
        if connection.isolation_level is None:
            raise InvalidStateError("tx= has to be a connection on which a transaction is open: BEGIN first")
        connection.execute("BEGIN")  # as sqlite3 does by itself before anything is written
    connection.execute(_TAKE_LOCK)
    connection.execute("SAVEPOINT procactors_start")
    try:
        result = converse(connection, talk)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO procactors_start")
            connection.execute("RELEASE procactors_start")
        raise
    connection.execute("RELEASE procactors_start")
    return result


def _answer(connection: sqlite3.Connection, query: One | Many | Call) -> Rows:
    match query:
        case Many():
            return _many(connection, query)
        case One():
            return _one(connection, query)
    error = call_guests(connection, query.functions)
    return [] if error is None else [(error,)]


def _one(connection: sqlite3.Connection, query: One) -> Rows:
    values = [_encoded(value) if type(value) is list else value for value in query[1]]
    cursor = connection.execute(_sql[query.name], values)
    return cursor.fetchall() if cursor.description else [(cursor.lastrowid,)]


def _many(connection: sqlite3.Connection, query: Many) -> Rows:
    answer: list[Any] = []
    for statement, values, count in _sql.chunks(query.name, query[1]):
        cursor = connection.execute(statement, values)
        answer += cursor.fetchall() if cursor.description else _numbers(cursor.lastrowid, count)
    return answer


def _numbers(last: int | None, count: int) -> Iterable[tuple[int]]:
    """Return the numbers of rows that one statement inserted: nobody else has inserted in between."""
    end = (last or 0) + 1
    return zip(range(end - count, end), strict=False)


def _encoded(values: list[Any]) -> str:
    """Return a set as SQLite's json_each takes it."""
    return msgspec.json.encode(values).decode()
