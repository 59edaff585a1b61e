"""What the same work takes on PostgreSQL and on SQLite, one beside the other in each repetition.

Steps a second, processes a second, and the time of a lone step.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import report
import workload
from both_stores import BESIDE, ON_SERVER, POSTGRES, SQLITE, both_stores
from report import Figure, figure

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse

_LONE_STEPS = 50


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure all three on both."""
    with both_stores(args) as stores:
        runs = [
            [await repetition(args, stores[kind]()) for kind in (POSTGRES, SQLITE)]
            for _ in range(args.repeats)
        ]
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
            beside=BESIDE,
            floor=[run[n] for run in floor],
            durability=ON_SERVER,
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
