"""SQLite's errors as ours, at the room's edge."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from procactors.errors import InvalidDataError, InvalidStoreError, ProcactorsError, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_NOT_AS_MADE = ("no such table", "no such column", "has no column", "no such function", "syntax error")
"""Somebody has changed our tables, or added a trigger that is broken."""
_NOT_A_DATABASE = ("file is not a database", "malformed", "unsupported file format", "encrypted")


class Translated:
    """Turns what sqlite3 raises in a `with` block into an error that says whether trying again can help.

    Around every commit and every look at the file: a generator would take four times as long.

    Raises:
        StoreUnavailableError: It may help.
        InvalidStoreError: The database can't be used.
        InvalidDataError: What was to be written can't be kept.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        """Name the database as `where` in the error."""
        self._where = where

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Raise our error in place of sqlite3's."""
        if isinstance(error, sqlite3.Error):
            raise _ours(error, self._where) from error


def _ours(error: sqlite3.Error, where: str) -> ProcactorsError:
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return InvalidDataError(f"{where} can't keep what was to be written: {text}")
    if any(sign in text for sign in _NOT_A_DATABASE):
        return InvalidStoreError(f"{where} is not a usable SQLite database: {text}")
    if any(sign in text for sign in _NOT_AS_MADE):
        return InvalidStoreError(f"{where} refused: {text}")
    return StoreUnavailableError(f"{where} can't be used now: {text}{_advice(text)}")


def why_not_opened(path: Path) -> str:
    """Return why SQLite could not open a file, as far as can be seen."""
    folder = path.absolute().parent
    if path.is_dir():
        return f"{path} is a folder; name a file in it"
    if not folder.exists():
        return f"the folder {folder} does not exist; make it first"
    if not folder.is_dir():
        return f"{folder} is no folder"
    return f"make {path if path.exists() else folder} readable and writable for this user"


def _advice(text: str) -> str:
    if "full" in text:
        return "; free some space: nothing that was acknowledged is lost"
    if "readonly" in text or "read-only" in text:
        return "; make file and folder writable for this user"
    if text.endswith("unable to open database file"):
        return "; the folder has to exist and to be writable"
    return ""
