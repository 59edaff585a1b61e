"""The floors of durable work: the rows that the engine wrote, in the batches it made, without the engine.

`Recording` hears how many events each commit had and reads the rows back from the engine's database;
`replay` writes them again into a fresh database of the same schema and settings, first row to last, a
transaction for each commit: an insert for each new process, its events, and one update of the process
row for each step. Nothing is encoded, decided or awaited in it, and the statements take many rows each,
which is the quickest that the sqlite3 module does. `replay_in_hops` does the same through aiosqlite,
one call into its thread for each transaction.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import asynccontextmanager, closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import aiosqlite

from procactors.observe import Observer
from procactors.stores._migrate import migrate_sqlite

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

PLAIN = "plain sqlite3, group commit"
HOPS = "aiosqlite, one hop a commit"

_EVENTS = "INSERT INTO procactors_events (process, seq, payload_seq, body) VALUES {rows}"
_PROCESSES = "INSERT INTO procactors_processes VALUES {rows}"
_UPDATES = """
    WITH new (id, status, owner, epoch, due_at, expires_at, rank, call, ended_at, state) AS (VALUES {rows})
    UPDATE procactors_processes SET
        status = new.status, owner = new.owner, epoch = new.epoch, due_at = new.due_at,
        expires_at = new.expires_at, rank = new.rank, call = new.call, ended_at = new.ended_at,
        state = new.state, progress = NULL
    FROM new WHERE procactors_processes.id = new.id"""
_MARKS = "INSERT INTO procactors_marks VALUES {rows}"
_UPDATED = ("id", "status", "owner", "epoch", "due_at", "expires_at", "rank", "call", "ended_at", "state")
_CHUNKS = (128, 64, 32, 16, 8, 4, 2, 1)

Row = tuple[Any, ...]


class Batch:
    """The rows of one commit."""

    def __init__(self) -> None:
        """Begin without any."""
        self.events: list[Row] = []
        self.processes: list[Row] = []
        self.updates: list[Row] = []
        self.marks: list[Row] = []


class Recording(Observer):
    """Hears what a manager commits, from its first commit on."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.sizes: list[int] = []
        self.commit_s = 0.0

    def events_committed(self, events: Sequence[object], seconds: float) -> None:
        """Count the events of a commit."""
        self.sizes.append(len(events))
        self.commit_s += seconds

    def batches(self, database: Path) -> list[Batch]:
        """Return the rows of every commit, as the database has them now that the manager is closed."""
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            processes = {
                row["id"]: dict(row) for row in connection.execute("SELECT * FROM procactors_processes")
            }
            events = [
                tuple(row)
                for row in connection.execute(
                    "SELECT process, seq, payload_seq, body FROM procactors_events ORDER BY position"
                )
            ]
        assert sum(self.sizes) == len(events), "the recording must hear every commit of its database"
        last = {process: seq for process, seq, _, _ in events}
        found, start = [], 0
        for size in self.sizes:
            found.append(_batch_of(events[start : start + size], processes, last))
            start += size
        return found


def _batch_of(events: list[Row], processes: dict[int, dict[str, Any]], last: dict[int, int]) -> Batch:
    batch = Batch()
    batch.events = events
    newest = {process: seq for process, seq, _, _ in events}
    born = {process for process, seq, _, _ in events if seq == 1}
    for process, seq in newest.items():
        values = _as_it_was(processes[process], seq, last[process])
        if process in born:
            batch.processes.append(tuple(values.values()))
        else:
            batch.updates.append(tuple(values[name] for name in _UPDATED))
    return batch


def _as_it_was(values: dict[str, Any], seq: int, last: int) -> dict[str, Any]:
    """Return a process's row after its event `seq`: what its indexes are made of has to be right."""
    if seq == last:
        return values
    if seq == 1:
        created = values["created_at"]
        return values | {
            "status": "queued",
            "owner": None,
            "ended_at": None,
            "due_at": created,
            "rank": created,
        }
    return values | {"status": "running", "owner": 1, "ended_at": None}


# Writing them again.


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write the rows of one commit in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    _execute(connection, _PROCESSES, batch.processes)
    _execute(connection, _EVENTS, batch.events)
    _execute(connection, _UPDATES, batch.updates)
    _execute(connection, _MARKS, batch.marks)
    connection.execute("COMMIT")


def _execute(connection: sqlite3.Connection, statement: str, rows: list[Row]) -> None:
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            text = _text(statement, size, len(chunk[0]))
            connection.execute(text, [value for row in chunk for value in row])
            start += size


@cache
def _text(statement: str, rows: int, columns: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return statement.format(rows=", ".join([one] * rows))


def connect(database: Path, args: argparse.Namespace) -> sqlite3.Connection:
    """Connect as the library's writer does, to a database of the same schema."""
    connection = sqlite3.connect(
        database, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {args.synchronous}")
    connection.execute("PRAGMA journal_mode = WAL")
    migrate_sqlite(connection, 0.0, str(database))
    return connection


@contextmanager
def plain(database: Path, args: argparse.Namespace) -> Iterator[sqlite3.Connection]:
    """Give a connection to a fresh database of the schema."""
    with closing(connect(database, args)) as connection:
        yield connection


class Hops(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole transaction in one call into its thread."""

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function(connection, *args)` there."""
        return await self._execute(function, self._conn, *args)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def hops(database: Path, args: argparse.Namespace) -> AsyncIterator[Hops]:
    """Give such a connection to a fresh database of the schema."""
    connection = Hops(lambda: connect(database, args), iter_chunk_size=64)
    await connection
    try:
        yield connection
    finally:
        await connection.close()


def replay(connection: sqlite3.Connection, batches: Sequence[Batch]) -> list[float]:
    """Write batches; return how many seconds each took."""
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        write(connection, batch)
        seconds.append(time.perf_counter() - started)
    return seconds


async def replay_in_hops(connection: Hops, batches: Sequence[Batch]) -> list[float]:
    """Write batches, a hop each; return how many seconds each took."""
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        await connection.run(write, batch)
        seconds.append(time.perf_counter() - started)
    return seconds


async def bare_commits(connection: Hops, number: int) -> list[float]:
    """Commit one small row so often, a hop each; return how many seconds each took."""
    return await replay_in_hops(connection, [_one_row(position) for position in range(1, number + 1)])


def _one_row(number: int) -> Batch:
    batch = Batch()
    batch.marks = [(f"mark {number}", number)]
    return batch
