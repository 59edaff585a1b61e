"""SQLite's errors as ours, at the room's edge."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from procactors.errors import InvalidDataError, InvalidStoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_AS_MADE = ("no such table", "no such column", "has no column", "no such function", "syntax error")
"""Somebody has changed our tables, or added a trigger that is broken."""
_NOT_A_DATABASE = ("file is not a database", "malformed", "unsupported file format", "encrypted")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what sqlite3 raises into an error that says whether trying again can help, and where.

    Raises:
        StoreUnavailableError: It may help.
        InvalidStoreError: The database can't be used.
        InvalidDataError: What was to be written can't be kept.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise InvalidDataError(f"{where} can't keep what was to be written: {error}") from error
    except sqlite3.Error as error:
        text = str(error)
        if any(sign in text for sign in _NOT_A_DATABASE):
            raise InvalidStoreError(f"{where} is not a usable SQLite database: {text}") from error
        if any(sign in text for sign in _NOT_AS_MADE):
            raise InvalidStoreError(f"{where} refused: {text}") from error
        raise StoreUnavailableError(f"{where} can't be used now: {text}{_advice(text)}") from error


def _advice(text: str) -> str:
    if "full" in text:
        return "; free some space: nothing that was acknowledged is lost"
    if "readonly" in text or "read-only" in text:
        return "; make file and folder writable for this user"
    if "unable to open" in text:
        return "; the folder has to exist and to be writable"
    return ""
