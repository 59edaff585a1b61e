"""User code inside the store's transaction: nested in it, unable to end it, and limited in time.

What it writes is committed with the checkpoint that it belongs to, or not at all. While it runs, the one
writer of the store does nothing else, so it has 250 ms; a statement that takes longer is interrupted.
"""

from __future__ import annotations

import inspect
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidDataError, InvalidDefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GUESTS_S = 0.25
TOO_SLOW = (
    f"functions given to ctx.at_checkpoint may take {GUESTS_S * 1000:.0f} ms together: everything"
    " else waits for them; do the long work in the step, and only write here"
)
WRONG_KIND = (
    "ctx.at_checkpoint takes a plain function of a connection (an async one with a store in PostgreSQL)"
)
ENDED = "functions given to ctx.at_checkpoint can neither commit nor roll back: the checkpoint does"
_INSTRUCTIONS = 1000
"""How often the clock is looked at, in steps of SQLite's virtual machine."""
_ENDS_TRANSACTIONS = (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_ATTACH)


def call_guests(
    connection: sqlite3.Connection, functions: Sequence[Callable[[sqlite3.Connection], Any]]
) -> BaseException | None:
    """Call functions with the connection, in a nested transaction; return the error that undid them, or None.

    Raises:
        Exception: The error has undone the whole transaction, not only what these functions did.
    """
    connection.execute("SAVEPOINT procactors_guest")
    try:
        with _guarded(connection):
            began = time.monotonic()
            for function in functions:
                _check_plain(function(connection))
        _check_time(began)
    except (Exception, SystemExit) as error:
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO procactors_guest")
        connection.execute("RELEASE procactors_guest")
        return error
    connection.execute("RELEASE procactors_guest")
    return None


def _check_plain(returned: Any) -> None:
    if inspect.iscoroutine(returned):
        returned.close()
        raise InvalidDefinitionError(WRONG_KIND)


def _check_time(began: float) -> None:
    if time.monotonic() - began > GUESTS_S:
        raise InvalidDataError(TOO_SLOW)


@contextmanager
def _guarded(connection: sqlite3.Connection) -> Iterator[None]:
    deadline = time.monotonic() + GUESTS_S

    def authorize(action: int, *_: Any) -> int:
        return sqlite3.SQLITE_DENY if action in _ENDS_TRANSACTIONS else sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)
