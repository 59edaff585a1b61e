"""Named queries out of .sql files: Python holds no SQL, and SQL tools can read it.

A query begins with `-- name: x`. `ROWS(...)` in one stands for one or more rows of that shape: a batch
is then one statement, which SQLite runs in one go without Python's lock; one statement a row would
fight with the event loop for that lock, hundreds of times a commit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNKS = (128, 64, 32, 16, 8, 4, 2, 1)
"""How many rows one statement takes: few different texts, so that prepared statements are reused."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_ROWS = re.compile(r"ROWS(\((?:[^()]|\([^()]*\))*\))")
_COMMENT = re.compile(r"--[^\n]*\n")


class Queries:
    """The queries of one database, by name."""

    def __init__(self, dialect: str) -> None:
        """Read those of `dialect`, a folder beside this file's `sql`."""
        text = files("procactors.stores").joinpath("sql", dialect, "queries.sql").read_text("utf-8")
        parts = _NAME.split(text)
        self._texts = {
            name: " ".join(_COMMENT.sub("", body).split()).rstrip(";")
            for name, body in zip(parts[1::2], parts[2::2], strict=True)
        }
        self._repeated: dict[tuple[str, int], str] = {}

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

    def chunks(self, name: str, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Cut `rows` into as many statements as needed, each with its flat parameters."""
        start = 0
        for size in _CHUNKS:
            while len(rows) - start >= size:
                chunk = rows[start : start + size]
                yield self.repeated(name, size), [value for row in chunk for value in row]
                start += size


@lru_cache
def queries_of(dialect: str) -> Queries:
    """Return the queries of a database, read once."""
    return Queries(dialect)
