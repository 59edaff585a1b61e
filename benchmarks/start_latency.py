"""How long it takes from `start` to the first step running, and for a whole process of three steps.

One process at a time, nothing else running. The floors commit the same rows through aiosqlite, one hop
each: the first commit of a process, and all four.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import floors
import report
import workload
from report import Figure, figure, ms, percentile

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse

STEPS = 3


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Return p50 and p99 of both."""
    runs = [await repetition(args) for _ in range(args.repeats)]
    kinds = (("start to first step", 0, 2, "1 ms"), ("a process of 3 steps", 1, 3, "3 ms"))
    figures = []
    for name, ours, floor, target in kinds:
        for percent in (50, 99):
            figures.append(  # noqa: PERF401 - two loops in a comprehension of this size read worse
                figure(
                    f"{name}, p{percent}",
                    "ms",
                    [ms(percentile(run[ours], percent)) for run in runs],
                    beside=floors.HOPS,
                    floor=[ms(percentile(run[floor], percent)) for run in runs],
                    durability=workload.durability(args),
                    target=target if percent == 50 else "",
                )
            )
    return figures


async def repetition(args: argparse.Namespace) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return seconds to the first step and to the end of each process, and the same of the floor."""
    moments: list[float] = []
    recording = floors.Recording()
    begun, ended = [], []

    def noted() -> None:
        moments.append(time.perf_counter())

    with workload.fresh_database(args) as database:
        url, services = workload.url_of(database, args), {"noted": noted}
        async with ProcessManager(url, services=services, observer=recording) as manager:
            for _ in range(args.warmup):
                await (await manager.start(workload.of_notes(STEPS))).result()
            warm = len(recording.sizes)
            report.settle()
            for _ in range(args.processes):
                process = workload.of_notes(STEPS)
                moments.clear()
                started = time.perf_counter()
                await (await manager.start(process)).result()
                ended.append(time.perf_counter() - started)
                begun.append(moments[0] - started)
        batches = recording.batches(database)
        async with floors.hops(database.with_name("hops.db"), args) as connection:
            seconds = await floors.replay_in_hops(connection, batches)
    commits: dict[int, list[float]] = {}
    for batch, its in zip(batches[warm:], seconds[warm:], strict=True):
        commits.setdefault(batch.events[0][0], []).append(its)
    # One that came while the manager looked for others to claim is queued first, by a commit of its own.
    assert percentile(map(len, commits.values()), 50) == STEPS + 1, "N steps cost N + 1 commits"
    return begun, ended, [its[0] for its in commits.values()], [sum(its) for its in commits.values()]


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 3, "warmup": 2}, processes=200, warmup=50)
