"""How a manager copes with a store full of interrupted processes: 100,000 of them.

The time to open a manager on it, and to proceed any one of them until it has finished; beside it the same
with a single one in the store. One process is made by a manager, and its rows are then copied.
"""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import report
import workload
from report import Figure, figure, ms

from procactors import ProcessManager
from procactors.model.event import ProcessInterrupted

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

ONE = "with one in the store"


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure opening and proceeding, with many and with one."""
    many = [await repetition(args, args.processes) for _ in range(args.repeats)]
    one = [await repetition(args, 1) for _ in range(args.repeats)]
    figures = []
    for index, (what, target) in enumerate(
        (("open a manager", "1,000 ms"), ("proceed, to the end", "at once"))
    ):
        ours, floor = ([ms(run[index]) for run in runs] for runs in (many, one))
        name, how = f"{args.processes:,} interrupted: {what}", workload.durability(args)
        figures.append(figure(name, "ms", ours, beside=ONE, floor=floor, durability=how, target=target))
    return figures


async def repetition(args: argparse.Namespace, processes: int) -> tuple[float, float]:
    """Return how many seconds it took to open a manager, and to proceed one process."""
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
            return opened - started, time.perf_counter() - opened


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
