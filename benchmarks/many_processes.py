"""How many processes a second: 2,000 of a single step, started at once, until all have finished.

With the default limit of 64 running at once, the others queued in the store, and with no limit. The
floor writes the same rows in the batches that the engine made, in plain sqlite3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import floors
import report
import workload
from report import Figure, figure

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both limits."""
    limits = (64, args.processes)
    runs = [[await repetition(args, limit) for limit in limits] for _ in range(args.repeats)]
    figures = []
    for limit, columns in zip(limits, zip(*runs, strict=True), strict=True):
        ours, floor = zip(*columns, strict=True)
        name = f"{args.processes} of one step, max_running={limit}"
        how = workload.durability(args)
        figures.append(
            figure(
                name,
                "processes/s",
                ours,
                beside=floors.PLAIN,
                floor=floor,
                durability=how,
                target="3,000/s",
            )
        )
    return figures


async def repetition(args: argparse.Namespace, limit: int) -> tuple[float, float]:
    """Return processes per second of the engine and of the floor."""
    recording = floors.Recording()
    with workload.fresh_database(args) as database:
        url = workload.url_of(database, args)
        async with ProcessManager(url, max_running=limit, observer=recording) as manager:
            await workload.run_all(manager, workload.of_nothing(1), args.processes // 10 + 1)
            warm = len(recording.sizes)
            seconds, _ = await report.timed(workload.run_all(manager, workload.of_nothing(1), args.processes))
        batches = recording.batches(database)
        with floors.plain(database.with_name("plain.db"), args) as connection:
            floors.replay(connection, batches[:warm])
            report.settle()
            floor = sum(floors.replay(connection, batches[warm:]))
    return args.processes / seconds, args.processes / floor


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 20}, processes=2000)
