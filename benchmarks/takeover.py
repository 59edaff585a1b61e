"""How soon a process goes on after its manager was killed with SIGKILL, on the same machine.

From the kill to its step running again: in a manager that was there already, and in one that is started
then (from its opening on). Each repetition kills a manager in an OS process of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import other_process
import report
import workload
from report import Figure, figure, ms

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both."""
    there = [ms(await repetition(args, is_there=True)) for _ in range(args.repeats)]
    new = [ms(await repetition(args, is_there=False)) for _ in range(args.repeats)]
    how = workload.durability(args)
    return [
        figure("kill -9 to step, manager there", "ms", there, durability=how, target="1,000 ms"),
        figure("kill -9 to step, new manager", "ms", new, durability=how, target="1,000 ms"),
    ]


async def repetition(args: argparse.Namespace, *, is_there: bool) -> float:
    """Return how many seconds it took."""
    begun = anyio.Event()

    def told(_pid: str, what: str) -> None:
        if what == "begun":
            begun.set()

    with workload.fresh_database(args) as database:
        url = workload.url_of(database, args)
        heir = ProcessManager(url, services={"told": told})
        async with other_process.worker(url) as (lines, victim):
            async with ProcessManager(url, run=False) as client:
                pid = (await client.start(workload.lingering())).pid
            await anext(lines)
            if is_there:
                await heir.open()
            victim.kill()
            killed = time.monotonic()
            if not is_there:
                await victim.wait()
                killed = time.monotonic()
                await heir.open()
            await begun.wait()
            seconds = time.monotonic() - killed
        await heir.cancel(pid)
        await heir.close()
    return seconds


if __name__ == "__main__":
    report.main(__doc__, measure, quick={}, repeats=5)
