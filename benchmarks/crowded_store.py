"""How a manager copes with a store full of interrupted processes: 100,000 of them.

The time to open a manager on it, to proceed any one of them until it has finished, and to read pages of the
list; beside it the same with a single one in the store. One process is made by a manager, and its rows are
then copied.
"""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import report
import workload
from report import Figure, figure, ms

from procactors import ProcessManager
from procactors.model.event import ProcessInterrupted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable
    from pathlib import Path

ONE = "with one in the store"
ON_A_PAGE = 50
LISTS: dict[str, dict[str, str]] = {
    "50": {},
    "50 of a status": {"status": "interrupted"},
    "a status of none": {"status": "failed"},
    "a name of none": {"name": "nothing"},
    "50 by a search": {"search": "QUEST"},
    "none by a search": {"search": "nothing"},
}
MEASURED = [
    ("open a manager", "1,000 ms"),
    ("proceed, to the end", "at once"),
    *((f"list {what}", "100 ms") for what in LISTS),
    ("list the oldest 50", "100 ms"),
    ("count by status", "100 ms"),
]


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure opening, proceeding and listing, with many and with one."""
    many = [await repetition(args, args.processes) for _ in range(args.repeats)]
    one = [await repetition(args, 1) for _ in range(args.repeats)]
    figures = []
    for index, (what, target) in enumerate(MEASURED):
        ours, floor = ([ms(run[index]) for run in runs] for runs in (many, one))
        name, how = f"{args.processes:,} interrupted: {what}", workload.durability(args)
        figures.append(figure(name, "ms", ours, beside=ONE, floor=floor, durability=how, target=target))
    return figures


async def repetition(args: argparse.Namespace, processes: int) -> list[float]:
    """Return how many seconds each of what is measured took."""
    with workload.fresh_database(args) as database:
        await interrupt_one(database, args)
        pids = multiply(database, processes)
        report.settle()
        started = time.perf_counter()
        async with ProcessManager(workload.url_of(database, args), services={"noted": int}) as manager:
            opened = time.perf_counter()
            handle = manager.handle(random.choice(pids))
            await handle.proceed({"approved": True})
            await handle.result()
            proceeded = time.perf_counter()
            oldest = {"after": sorted(pids)[min(len(pids) - 1, 2 * ON_A_PAGE)]}
            lists = [
                await seconds_of(manager.list, limit=ON_A_PAGE, **how) for how in (*LISTS.values(), oldest)
            ]
            counts = await seconds_of(manager.counts)
            return [opened - started, proceeded - opened, *lists, counts]


async def seconds_of(function: Callable[..., Awaitable[object]], **options: Any) -> float:
    """Return how many seconds a call took."""
    started = time.perf_counter()
    await function(**options)
    return time.perf_counter() - started


async def interrupt_one(database: Path, args: argparse.Namespace) -> None:
    """Put one interrupted process into a fresh store."""
    async with ProcessManager(workload.url_of(database, args), services={"noted": int}) as manager:
        handle = await manager.start(workload.question_then("note"))
        async with handle.subscribe() as events:
            async for event in events:
                if isinstance(event, ProcessInterrupted):
                    return


def multiply(database: Path, wanted: int) -> list[str]:
    """Copy the one process, with its history, until there are `wanted`; return all pids."""
    with closing(sqlite3.connect(database)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(procactors_processes)")]
        others = ", ".join(name for name in names if name not in {"id", "pid"})
        connection.execute(
            f"""WITH RECURSIVE copies (number) AS (
                SELECT 2 WHERE ?1 > 1 UNION ALL SELECT number + 1 FROM copies WHERE number < ?1
            )
            INSERT INTO procactors_processes (id, pid, {others})
            SELECT number, substr(pid, 1, 24) || printf('%08x', number), {others}
            FROM copies, procactors_processes WHERE id = 1""",
            (wanted,),
        )
        connection.execute(
            """INSERT INTO procactors_events (process, seq, payload_seq, body)
            SELECT copy.id, e.seq, e.payload_seq, e.body FROM procactors_processes copy, procactors_events e
            WHERE e.process = 1 AND copy.id > 1 ORDER BY copy.id, e.seq"""
        )
        return [row[0] for row in connection.execute("SELECT pid FROM procactors_processes")]


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 50}, processes=100_000)
