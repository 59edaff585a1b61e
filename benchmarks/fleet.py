"""How many steps a second 1, 2 and 4 managers make on one store, each in an OS process of its own.

The processes are queued beforehand, and nobody may take them up: what is measured is from when all may to the
end of the last one. All managers, the client that looks on, and the database share the cores of one machine:
where there are fewer of these than of those, more managers carry no more.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import other_process
import report
import workload
from both_stores import both_stores, durability_on
from report import Figure, figure

from procactors import ProcessManager, ProcessStatus

if TYPE_CHECKING:
    import argparse

MANAGERS = (1, 2, 4)


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure each number of managers on both stores, one after the other in each repetition."""
    with both_stores(args) as stores:
        runs = [
            {
                (kind, many): await repetition(args, new(), many)
                for kind, new in stores.items()
                for many in MANAGERS
                if many <= args.managers
            }
            for _ in range(args.repeats)
        ]
    return [
        figure(
            f"{kind}, {many} manager{'s' if many > 1 else ''}, {args.processes} x {args.steps}",
            "steps/s",
            [run[kind, many] for run in runs],
            beside="1 manager" if many > 1 else "",
            floor=[run[kind, 1] for run in runs] if many > 1 else (),
            durability=durability_on(kind, args),
        )
        for kind, many in runs[0]
    ]


async def repetition(args: argparse.Namespace, url: str, managers: int) -> float:
    """Return how many steps a second so many managers made."""
    async with ProcessManager(url, run=False) as client, AsyncExitStack() as stack:
        await client.pause()
        process = workload.of_nothing(args.steps)
        async with anyio.create_task_group() as group:
            for _ in range(args.processes):
                group.start_soon(client.start, process)
        for _ in range(managers):
            await stack.enter_async_context(other_process.worker(url))
        report.settle()
        started = time.perf_counter()
        await client.resume()
        while (await client.counts()).get(ProcessStatus.FINISHED) != args.processes:  # noqa: ASYNC110 - of many
            await anyio.sleep(0.01)
        seconds = time.perf_counter() - started
    return args.processes * args.steps / seconds


if __name__ == "__main__":
    report.main(
        __doc__,
        measure,
        quick={"processes": 4, "steps": 2, "managers": 2},
        repeats=3,
        processes=600,
        steps=10,
        managers=4,
    )
