"""How many durable steps a second: 200 processes of 10 steps, and of 100, started at once.

Counted from the first `start` to the last result, so starting and finishing are part of it. The floors
write the same rows in the batches that the engine made: in plain sqlite3, and through aiosqlite.
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

TARGET = "12,000/s (uvloop 20,000), 10 %"


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure all three."""
    size = args.processes
    cases = [
        (f"{size} x {args.steps}, max_running={size}", args.steps, size),
        (f"{size} x {args.steps}, max_running=64", args.steps, 64),
        (f"{size} x {args.long}, max_running={size}", args.long, size),
    ]
    runs = [[await repetition(args, steps, most) for _, steps, most in cases] for _ in range(args.repeats)]
    figures = []
    for (name, _, _), columns in zip(cases, zip(*runs, strict=True), strict=True):
        ours, plain, hops, commits = zip(*columns, strict=True)
        how = workload.durability(args)
        figures += [
            figure(name, "steps/s", ours, beside=floors.PLAIN, floor=plain, durability=how, target=TARGET),
            figure(name, "steps/s", ours, beside=floors.HOPS, floor=hops, durability=how),
            figure(f"{name}, a commit", "steps", commits),
        ]
    return figures


async def repetition(args: argparse.Namespace, steps: int, most: int) -> tuple[float, float, float, float]:
    """Return steps per second of the engine and of both floors, and the mean steps of a commit."""
    total = args.processes * steps
    recording = floors.Recording()
    with workload.fresh_database(args) as database:
        url = workload.url_of(database, args)
        async with ProcessManager(url, max_running=most, observer=recording) as manager:
            await workload.run_all(manager, workload.of_nothing(3), args.processes // 4 + 1)
            warm = len(recording.sizes)
            seconds, _ = await report.timed(
                workload.run_all(manager, workload.of_nothing(steps), args.processes)
            )
        batches = recording.batches(database)
        with floors.plain(database.with_name("plain.db"), args) as connection:
            floors.replay(connection, batches[:warm])
            report.settle()
            plain = sum(floors.replay(connection, batches[warm:]))
        async with floors.hops(database.with_name("hops.db"), args) as connection:
            await floors.replay_in_hops(connection, batches[:warm])
            hops, _ = await report.timed(floors.replay_in_hops(connection, batches[warm:]))
    return total / seconds, total / plain, total / hops, total / len(batches[warm:])


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 4, "long": 2}, processes=200, steps=10, long=100)
