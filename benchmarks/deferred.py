"""How many deferred updates run in a second: flat, nested and merged, without and with transactions.

The workloads are those that MediaWiki 1.39 was measured with on another 2-core machine: flat (one queue),
nested (binary trees of 10 levels) and merge (one mergeable class); its figures, which are not of this run,
are the targets. "With transactions" begins and commits a transaction per update that no statement is made
in, as it was there; the lines for SQLite write a row per update. Deferring is part of what is measured.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aiosqlite
import report
from report import Figure, figure

try:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
except ImportError:  # an extra; its workload is left out then
    AsyncSession = None

from procactors.deferred import (
    DeferredUpdates,
    MergeableUpdate,
    TransactionRoundDefiningUpdate,
    current_updates,
    defer,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

UPDATES = 20_000
LEVELS = 10
WRITES = 500
MEDIAWIKI = {
    "flat": 169_000, "nested": 212_000, "merge": 1_125_000,
    "flat, transactions": 43_000, "nested, transactions": 37_000, "merge, transactions": 1_002_000,
}  # fmt: skip


class Nothing:
    """An update that does nothing."""

    def run(self) -> None:
        """Do nothing."""


class AsyncNothing:
    """An update that does nothing, as a coroutine."""

    async def run(self) -> None:
        """Do nothing."""


class Tree:
    """An update that defers two more, down to the leaves."""

    def __init__(self, level: int) -> None:
        """Make the root of a tree of so many levels."""
        self.level = level

    def run(self) -> None:
        """Defer the children."""
        if self.level > 1:
            updates = current_updates()
            updates.add(Tree(self.level - 1))
            updates.add(Tree(self.level - 1))


class Sum(MergeableUpdate):
    """An update that counts how many it stands for."""

    def __init__(self) -> None:
        """Stand for one."""
        self.number = 1

    def merge(self, other: Sum) -> None:
        """Stand for the other, too."""
        self.number += other.number

    def run(self) -> None:
        """Do nothing."""


class EmptyTransactions:
    """Transactions of a connection in which no statement is made: what is left is deferral's own part."""

    def __init__(self) -> None:
        """Begin outside of any."""
        self.is_open = False
        self.callbacks: list[Callable[[bool], None]] = []

    def in_transaction(self) -> bool:
        """Tell whether one is open."""
        return self.is_open

    async def begin(self) -> None:
        """Begin."""
        self.is_open = True

    async def commit(self) -> None:
        """Commit."""
        self._end(committed=True)

    async def rollback(self) -> None:
        """Roll back."""
        self._end(committed=False)

    def _end(self, *, committed: bool) -> None:
        self.is_open = False
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(committed)

    def on_resolution(self, callback: Callable[[bool], None]) -> None:
        """Call back at the end."""
        self.callbacks.append(callback)


async def flat(updates: DeferredUpdates, update: object) -> int:
    """Run many updates of one queue."""
    for _ in range(UPDATES):
        updates.add(update)
    return (await updates.run()).ran


async def nested(updates: DeferredUpdates) -> int:
    """Run binary trees of updates."""
    ran = 0
    while ran < UPDATES:
        with updates.as_current():
            updates.add(Tree(LEVELS))
            ran += (await updates.run()).ran
    return ran


async def merge(updates: DeferredUpdates) -> int:
    """Merge many updates into one."""
    for _ in range(UPDATES):
        updates.add(Sum())
    report = await updates.run()
    return report.ran + report.merged


async def deferred(updates: DeferredUpdates) -> int:
    """Run many functions deferred by `defer`."""
    with updates.as_current():
        for _ in range(UPDATES):
            defer(int)
    return (await updates.run()).ran


async def scopes() -> int:
    """Make a scope for each update."""
    for _ in range(UPDATES // 4):
        updates = DeferredUpdates()
        updates.add(NOTHING)
        await updates.run()
    return UPDATES // 4


async def round_defining(updates: DeferredUpdates) -> int:
    """Run updates that begin no round."""
    update = TransactionRoundDefiningUpdate(int)
    for _ in range(UPDATES):
        updates.add(update)
    return (await updates.run()).ran


async def aiosqlite_writes() -> int:
    """Write a row per update, each in a transaction of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with aiosqlite.connect(Path(folder) / "app.db") as connection:
            await connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE rows (text)")

            async def write() -> None:
                await connection.execute("INSERT INTO rows VALUES ('x')")

            updates = DeferredUpdates(connection)
            for _ in range(WRITES):
                updates.add_callable(write)
            return (await updates.run()).ran


async def sqlalchemy_writes() -> int:
    """Write a row per update through a session, each in a transaction of its own."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/app.db")
        async with AsyncSession(engine) as session:
            await session.execute(text("CREATE TABLE rows (text)"))
            await session.commit()

            async def write() -> None:
                await session.execute(text("INSERT INTO rows VALUES ('x')"))

            updates = DeferredUpdates(session)
            for _ in range(WRITES):
                updates.add_callable(write)
            ran = (await updates.run()).ran
        await engine.dispose()
        return ran


NOTHING = Nothing()
WORKLOADS: dict[str, Callable[[], Awaitable[int]]] = {
    "flat": lambda: flat(DeferredUpdates(), NOTHING),
    "nested": lambda: nested(DeferredUpdates()),
    "merge": lambda: merge(DeferredUpdates()),
    "flat, transactions": lambda: flat(DeferredUpdates(EmptyTransactions()), NOTHING),
    "nested, transactions": lambda: nested(DeferredUpdates(EmptyTransactions())),
    "merge, transactions": lambda: merge(DeferredUpdates(EmptyTransactions())),
    "flat, coroutines": lambda: flat(DeferredUpdates(), AsyncNothing()),
    "flat, defer()": lambda: deferred(DeferredUpdates()),
    "flat, round-defining": lambda: round_defining(DeferredUpdates(EmptyTransactions())),
    "a scope per update": scopes,
    "rows, aiosqlite": aiosqlite_writes,
}
if AsyncSession is not None:
    WORKLOADS["rows, SQLAlchemy"] = sqlalchemy_writes


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure all workloads, one after the other in each repetition."""
    global UPDATES, WRITES
    UPDATES, WRITES = args.updates, args.writes
    found: dict[str, list[float]] = {name: [] for name in WORKLOADS}
    for _ in range(args.repeats):
        for name, workload in WORKLOADS.items():
            seconds, updates = await report.timed(workload())
            found[name].append(updates / seconds)
    return [
        figure(
            name, "updates/s", values, target=f"MediaWiki {MEDIAWIKI[name]:,}" if name in MEDIAWIKI else ""
        )
        for name, values in found.items()
    ]


if __name__ == "__main__":
    report.main(
        __doc__,
        measure,
        quick={"updates": 200, "writes": 5},
        repeats=7,
        updates=UPDATES,
        writes=WRITES,
    )
