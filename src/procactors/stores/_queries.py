"""Named queries out of .sql files: Python holds no SQL, and SQL tools can read it.

A query begins with `-- name: x`, or with `-- name: x (ends y)` if it is the end of query y. `ROWS(...)`
in one stands for one or more rows of that shape: a batch is then one statement, which SQLite runs in one
go without Python's lock; one statement a row would fight with the event loop for that lock, hundreds of
times a commit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_ROWS = 128
"""How many rows one statement takes at most; else a power of two: few different texts, so that prepared
statements are reused."""

_NAME = re.compile(r"^-- name: (\w+)(?: \(ends (\w+)\))?$", re.MULTILINE)
_ROWS = re.compile(r"ROWS(\((?:[^()]|\([^()]*\))*\))")
_COMMENT = re.compile(r"--[^\n]*\n")


class Queries:
    """The queries of one database, by name."""

    def __init__(self, dialect: str) -> None:
        """Read those of `dialect`, a folder beside this file's `sql`."""
        text = files("procactors.stores").joinpath("sql", dialect, "queries.sql").read_text("utf-8")
        parts = _NAME.split(text)
        self._texts: dict[str, str] = {}
        for name, begun_by, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            statement = " ".join(_COMMENT.sub("", body).split()).rstrip(";")
            self._texts[name] = f"{self._texts[begun_by]} {statement}" if begun_by else statement
        self._repeated: dict[tuple[str, int], str] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all queries."""
        return frozenset(self._texts)

    def __getitem__(self, name: str) -> str:
        """Return the query of that name."""
        return self._texts[name]

    def repeated(self, name: str, rows: int) -> str:
        """Return the query of that name for `rows` rows."""
        text = self._repeated.get((name, rows))
        if text is None:
            text = _ROWS.sub(lambda match: ", ".join([match[1]] * rows), self._texts[name])
            self._repeated[name, rows] = text
        return text

    def chunks(self, name: str, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any], int]]:
        """Cut `rows` into as many statements as needed, each with its flat parameters and their rows."""
        start = 0
        while left := len(rows) - start:
            size = min(_MOST_ROWS, 1 << left.bit_length() - 1)
            chunk = rows[start : start + size]
            yield self.repeated(name, size), [value for row in chunk for value in row], size
            start += size


@lru_cache
def queries_of(dialect: str) -> Queries:
    """Return the queries of a database, read once."""
    return Queries(dialect)
