"""Gives back what was deleted: a SQLite file that is all ours becomes smaller again, in small portions.

A file that the application had before is left as it is; SQLite uses the room in it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.stores._queries import queries_of

if TYPE_CHECKING:
    import sqlite3

_PORTION = 256
"""How many pages are given back at once: a few milliseconds, in which nobody else can write."""
_SPARE = 64
"""Free pages that are left, as they are used again at once."""

_sql = queries_of("sqlite")


def begin_file(connection: sqlite3.Connection) -> bool:
    """Prepare a new file for becoming smaller, before anything is stored in it. True if it is new."""
    is_new: bool = connection.execute("PRAGMA page_count").fetchone()[0] == 0
    if is_new:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    return is_new


def note_own(connection: sqlite3.Connection) -> None:
    """Note that the file is all ours."""
    connection.execute(_sql["note_own_file"])


def is_own(connection: sqlite3.Connection) -> bool:
    """Tell whether the file is all ours."""
    return bool(connection.execute(_sql["is_own_file"]).fetchall())


def give_back(connection: sqlite3.Connection) -> bool:
    """Give a portion of free pages back. True if there are more."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0] - _SPARE
    if free <= 0:
        return False
    # Not `execute`: it takes one step of the statement, which is one page.
    connection.executescript(f"PRAGMA incremental_vacuum({min(free, _PORTION)})")
    return bool(free > _PORTION)
