"""Reads what is typed: JSON, pids, where the store is. What is wrong gets an error that says where."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procactors._clock import SystemClock
from procactors.cli.failure import BadInputError, CommandError
from procactors.cli.wording import short
from procactors.errors import InvalidStoreError
from procactors.model.status import ProcessStatus
from procactors.options import ManagerOptions
from procactors.stores import open_store
from procactors.stores._url import sqlite_location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.manager import ProcessManager

_PID_DIGITS = 32
_FEWEST_DIGITS = 8
_PAGE = 500
_EXCERPT = 20


def store_url(db: str, *, must_exist: bool = True) -> str:
    """Return the store's URL.

    Args:
        db: What --db or PROCACTORS_URL says.
        must_exist: Refuse a SQLite file that is not there, and a store that only this program could see.

    Raises:
        BadInputError: Neither is given, it is not well formed, or there is no such store.
    """
    if not db:
        raise BadInputError("which store? give --db sqlite:///file.db, or set PROCACTORS_URL")
    try:
        open_store(db, SystemClock(), ManagerOptions())  # which connects to nothing yet
    except InvalidStoreError as error:
        raise BadInputError(str(error)) from None
    if not must_exist:
        return db
    if db.startswith("memory:"):
        raise BadInputError("a store in memory can't be seen by another program: give a sqlite:/// URL")
    if db.startswith("sqlite:") and not (path := sqlite_location(db).path).exists():
        raise BadInputError(f"there is no file {path}: a program that runs processes makes it")
    return db


def json_given(text: str | None, option: str = "--data") -> Any:
    """Return the JSON that was given as text, as "@file", or as "-" for standard input; None if none was.

    Raises:
        BadInputError: It is not JSON; the message says where. Or the file can't be read.
    """
    if text is None:
        return None
    source = option
    if text == "-":
        text, source = sys.stdin.read(), "standard input"
    elif text.startswith("@"):
        source = text[1:]
        text = read_text(Path(source))
    return parsed_json(text, source)


def read_text(path: Path) -> str:
    """Return what is in a file.

    Raises:
        BadInputError: It can't be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise BadInputError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInputError(f"{path} can't be read: {reason}") from None


def parsed_json(text: str, source: str) -> Any:
    """Return the value of JSON text.

    Raises:
        BadInputError: It is not JSON; the message says where.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos : error.pos + _EXCERPT]
        near = f"before {rest!r}" if rest.strip() else "at its end"
        place = f"line {error.lineno}, column {error.colno}, {near}"
        raise BadInputError(f"{source} is not JSON: {error.msg} ({place})") from None
    except RecursionError:
        raise BadInputError(f"{source} is nested too deeply") from None


def statuses_given(words: Iterable[str]) -> list[ProcessStatus] | None:
    """Return the statuses of these names, which may also be joined by commas; None if there are none.

    Raises:
        BadInputError: There is no such status.
    """
    found = []
    for name in (name.strip() for word in words for name in word.split(",")):
        try:
            found.append(ProcessStatus(name.lower().replace("-", "_")))
        except ValueError:
            known = ", ".join(ProcessStatus)
            raise BadInputError(f"there is no status {name!r}; there are {known}") from None
    return found or None


async def pid_given(manager: ProcessManager, text: str) -> str:
    """Return the pid that was typed, whole or by its first digits.

    Raises:
        BadInputError: This can't be a pid, or more than one process's pid begins like this.
        CommandError: No process's pid begins like this.

    Cancellation: safe.
    """
    digits = text.replace("-", "").lower()
    if not _FEWEST_DIGITS <= len(digits) <= _PID_DIGITS or digits.strip("0123456789abcdef"):
        raise BadInputError(
            f"{text!r} is not a pid: that is {_PID_DIGITS} hex digits, of which the first {_FEWEST_DIGITS}"
            " or more are enough"
        )
    if len(digits) == _PID_DIGITS:
        return digits
    found = await _pids_beginning_with(manager, digits)
    if not found:
        raise CommandError(f"there is no process whose pid begins with {digits}")
    if len(found) > 1:
        those = ", ".join(short(pid) for pid in found[:3])
        count = f"{len(found)}{'+' if len(found) >= _PAGE else ''}"
        raise BadInputError(f"{count} processes' pids begin with {digits}: {those}; give more digits")
    return found[0]


async def _pids_beginning_with(manager: ProcessManager, digits: str) -> list[str]:
    """Return such pids, the newest first; of very many not all."""
    found: list[str] = []
    after = None
    while True:
        page = await manager.list(limit=_PAGE, after=after, search=digits)  # in names and keys, too
        found += [info.pid for info in page if info.pid.startswith(digits)]
        if len(page) < _PAGE or len(found) >= _PAGE:
            return found
        after = page[-1].pid
