"""What the same work takes on PostgreSQL and on SQLite, one beside the other in each repetition.

A server like the tests' is started, with fsync on, on the same disk and cores as all else, over a
Unix socket, so that no network is measured. Steps a second, processes a second, and the time of a lone step.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import report
import workload
from report import Figure, figure

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse

sys.path.append(str(Path(__file__).parents[1]))
from tests.postgres import postgres_server

_LONE_STEPS = 50
_BESIDE = "the same on SQLite"


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure all three on both."""
    schemas = itertools.count()
    runs = []
    with postgres_server("fsync=on") as server:
        for _ in range(args.repeats):
            postgres = await repetition(args, server.url(f"bench{next(schemas)}"))
            with workload.fresh_database(args) as database:
                runs.append((postgres, await repetition(args, workload.url_of(database, args))))
    names = (
        (f"PostgreSQL, {args.processes} x {args.steps}", "steps/s", "half of SQLite's"),
        (f"PostgreSQL, {args.single} x 1", "processes/s", "half of SQLite's"),
        ("PostgreSQL, a lone step", "ms", ""),
    )
    ours, floor = zip(*runs, strict=True)
    return [
        figure(
            name,
            unit,
            [run[n] for run in ours],
            beside=_BESIDE,
            floor=[run[n] for run in floor],
            durability="fsync on",
            target=target,
        )
        for n, (name, unit, target) in enumerate(names)
    ]


async def repetition(args: argparse.Namespace, url: str) -> tuple[float, float, float]:
    """Return steps per second, processes per second, and the milliseconds of a lone step."""
    async with ProcessManager(url, max_running=args.processes) as manager:
        await workload.run_all(manager, workload.of_nothing(3), args.processes // 4 + 1)
        many, _ = await report.timed(
            workload.run_all(manager, workload.of_nothing(args.steps), args.processes)
        )
        single, _ = await report.timed(workload.run_all(manager, workload.of_nothing(1), args.single))
        started = time.perf_counter()
        await (await manager.start(workload.of_nothing(_LONE_STEPS))).result()
        lone = (time.perf_counter() - started) / _LONE_STEPS
    return args.processes * args.steps / many, args.single / single, report.ms(lone)


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 4, "single": 5}, processes=200, steps=10, single=2000)
