"""How long one step takes when nothing else runs: one process of 200 steps, from step to step.

The time from the beginning of one step to the beginning of the next: run it, commit, go on. The floor
commits the same rows through aiosqlite, one hop for each commit, from commit to commit.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import floors
import report
import workload
from report import Figure, figure, ms, percentile

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Return p50 and p99."""
    runs = [await repetition(args) for _ in range(args.repeats)]
    figures = []
    for percent in (50, 99):
        ours = [ms(percentile(steps, percent)) for steps, _ in runs]
        floor = [ms(percentile(commits, percent)) for _, commits in runs]
        how = workload.durability(args)
        name = f"a lone step, p{percent}"
        target = "ratio 1.4" if percent == 50 else ""
        figures.append(
            figure(name, "ms", ours, beside=floors.HOPS, floor=floor, durability=how, target=target)
        )
    return figures


async def repetition(args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return how many seconds each step took, and each commit of the floor."""
    moments: list[float] = []
    recording = floors.Recording()

    def noted() -> None:
        moments.append(time.perf_counter())

    with workload.fresh_database(args) as database:
        url, services = workload.url_of(database, args), {"noted": noted}
        async with ProcessManager(url, services=services, observer=recording) as manager:
            await workload.run_all(manager, workload.of_notes(args.steps), 1)  # warm-up
            warm = len(recording.sizes)
            moments.clear()
            await report.timed(workload.run_all(manager, workload.of_notes(args.steps), 1))
        batches = recording.batches(database)
        async with floors.hops(database.with_name("hops.db"), args) as connection:
            await floors.replay_in_hops(connection, batches[:warm])
            report.settle()
            commits = await floors.replay_in_hops(connection, batches[warm:])
    steps = [later - earlier for earlier, later in pairwise(moments)]
    return steps, commits[1:-1]  # without those that start and finish the process


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"steps": 5}, repeats=7, steps=200)
