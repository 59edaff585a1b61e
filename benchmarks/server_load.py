"""What managers cost the PostgreSQL server: processor time, disk and log for a step; an idle manager's share.

Processor time is what Linux counts for the server's OS processes, to a hundredth of a second. The disk is
what tables and indexes take for a process that has ended, the log (WAL) what a replica would be sent.
"""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import report
import workload
from both_stores import ON_SERVER, postgres_server
from report import Figure, figure

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse

_SETTLES_S = 1.5
_TICKS = os.sysconf("SC_CLK_TCK")
_COMMITS = 200


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure work and idleness."""
    with postgres_server("fsync=on") as server:
        sizes = (args.processes, args.steps)
        busy = [await at_work(server, f"busy{n}", *sizes) for n in range(args.repeats)]
        alone = [await at_work(server, f"alone{n}", 1, args.alone) for n in range(args.repeats)]
        idle = [await at_rest(args, server, f"idle{n}") for n in range(args.repeats)]
        commits = [report.ms(await bare_commit(server)) for _ in range(args.repeats)]
    names = (
        (f"server's processor time for a step, {args.processes} at once", "us"),
        ("log (WAL) of a durable step", "bytes"),
        (f"disk of an ended process of {args.steps} steps", "bytes"),
    )
    figures = [
        figure(name, unit, [run[n] for run in busy], durability=ON_SERVER)
        for n, (name, unit) in enumerate(names)
    ]
    lone = [spent for spent, *_ in alone]
    figures.append(figure("server's processor time for a lone step", "us", lone, durability=ON_SERVER))
    figures.append(figure("server's processor time for an idle manager", "% of a core", idle))
    figures.append(figure("a bare commit of one row through asyncpg", "ms", commits, durability=ON_SERVER))
    return figures


async def at_work(server: Any, schema: str, processes: int, steps: int) -> tuple[float, float, float]:
    """Return microseconds and bytes of log of a step, and the bytes on disk of a process."""
    connection = await asyncpg.connect(server.url(schema).partition("&schema")[0])
    async with ProcessManager(server.url(schema), max_running=processes) as manager:
        await workload.run_all(manager, workload.of_nothing(3), processes // 4 + 1)
        disk, log, spent = await disk_of(connection, schema), await log_position(connection), seconds(server)
        await workload.run_all(manager, workload.of_nothing(steps), processes)
        spent = seconds(server) - spent
        log = await log_position(connection) - log
        disk = await disk_of(connection, schema) - disk
    await connection.close()
    total = processes * steps
    return max(spent, 1 / _TICKS) / total * 1e6, log / total, disk / processes


async def at_rest(args: argparse.Namespace, server: Any, schema: str) -> float:
    """Return how many percent of a core the server spends on each of some idle managers."""
    async with AsyncExitStack() as stack:
        for _ in range(args.idle):
            await stack.enter_async_context(ProcessManager(server.url(schema)))
        await anyio.sleep(_SETTLES_S)
        began, before = time.perf_counter(), seconds(server)
        await anyio.sleep(args.seconds)
        spent, passed = seconds(server) - before, time.perf_counter() - began
    return 100 * spent / passed / args.idle


async def bare_commit(server: Any) -> float:
    """Return the median seconds of a commit of one row."""
    connection = await asyncpg.connect(server.url("x").partition("&schema")[0])
    await connection.execute("CREATE TABLE IF NOT EXISTS bare (id BIGSERIAL PRIMARY KEY, body TEXT)")
    samples = []
    for _ in range(_COMMITS):
        began = time.perf_counter()
        await connection.execute("INSERT INTO bare (body) VALUES ('one row')")
        samples.append(time.perf_counter() - began)
    await connection.close()
    return report.percentile(samples, 50)


async def disk_of(connection: Any, schema: str) -> int:
    """Return the bytes of the tables and indexes of a schema."""
    return await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = $1::text::regnamespace",
        schema,
    )


async def log_position(connection: Any) -> int:
    """Return how many bytes of log there have been."""
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def seconds(server: Any) -> float:
    """Return the processor time of a server and of all its sessions, those that have ended too."""
    first = int((Path(server.data) / "postmaster.pid").read_text().split()[0])
    ticks = sum(times(first))
    for entry in Path("/proc").glob("[0-9]*"):
        if parent_of(entry) == first:
            ticks += sum(times(int(entry.name))[:2])
    return ticks / _TICKS


def stat(entry: Path) -> list[str]:
    """Return what Linux tells of an OS process, from its state on; nothing if it has gone."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parent_of(entry: Path) -> int:
    """Return the OS process id of the parent."""
    fields = stat(entry)
    return int(fields[1]) if fields else 0


def times(os_pid: int) -> list[int]:
    """Return the ticks of an OS process: user, system, and the same of its children that have ended."""
    return [int(field) for field in stat(Path(f"/proc/{os_pid}"))[11:15]] or [0]


if __name__ == "__main__":
    quick = {"processes": 4, "steps": 2, "alone": 2, "idle": 1, "seconds": 0.2}
    sizes = {"processes": 400, "steps": 10, "alone": 500, "idle": 10, "seconds": 5.0}
    report.main(__doc__, measure, quick=quick, repeats=3, **sizes)
