"""How soon a process goes on after its manager was killed with SIGKILL, on the same machine, on both stores.

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
from both_stores import BESIDE, POSTGRES, SQLITE, both_stores, durability_on
from report import Figure, figure, ms

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both on both stores."""
    with both_stores(args) as stores:
        runs = [
            {
                (kind, is_there): ms(await repetition(new(), is_there=is_there))
                for kind, new in stores.items()
                for is_there in (True, False)
            }
            for _ in range(args.repeats)
        ]
    return [
        figure(
            f"{kind}: kill -9 to step, {'manager there' if is_there else 'new manager'}",
            "ms",
            [run[kind, is_there] for run in runs],
            beside=BESIDE if kind == POSTGRES else "",
            floor=[run[SQLITE, is_there] for run in runs] if kind == POSTGRES else (),
            durability=durability_on(kind, args),
            target="1,000 ms",
        )
        for kind, is_there in runs[0]
    ]


async def repetition(url: str, *, is_there: bool) -> float:
    """Return how many seconds it took."""
    begun = anyio.Event()

    def told(_pid: str, what: str) -> None:
        if what == "begun":
            begun.set()

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
