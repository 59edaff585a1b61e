"""How soon another OS process on the same store hears: a client here, a manager there, on both stores.

From the call of `start` in the client to the step running in the manager, from the call of `cancel` to the
running step being cancelled (both with the client's own commit in it), and from the beginning of the step
in the manager, right after its commit, to the event in a subscriber of the client. The clock is the
system's monotonic one, the same for all processes.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import floors
import report
import workload
from anyio.streams.text import TextReceiveStream
from both_stores import BESIDE, POSTGRES, SQLITE, both_stores, durability_on
from report import Figure, figure, ms, percentile

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from anyio.abc import Process

Line = tuple[float, str, str]
"""When, of which process, what."""
TARGETS = {SQLITE: "6 ms", POSTGRES: ""}
NAMES = (
    "client's start to step in another process",
    "step in another process to subscriber",
    "client's cancel to step in another process",
)


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Return p50 of each, on both stores, and of SQLite's beside a bare commit."""
    with both_stores(args) as stores:
        runs = [
            {kind: await repetition(args, new()) for kind, new in stores.items()} for _ in range(args.repeats)
        ]
        commits = [ms(await bare_commit(args)) for _ in range(args.repeats)]
    figures = []
    for kind in stores:
        for index, name in enumerate(NAMES):
            own = kind == SQLITE
            found = figure(
                f"{name}, p50" if own else f"{kind}: {name}",
                "ms",
                [ms(run[kind][index]) for run in runs],
                beside=floors.HOPS if own else BESIDE,
                floor=commits if own else [ms(run[SQLITE][index]) for run in runs],
                durability=durability_on(kind, args),
                target=TARGETS[kind],
            )
            figures.append(found)
    return figures


async def repetition(args: argparse.Namespace, url: str) -> tuple[float, float, float]:
    """Return the median seconds of each."""
    samples: list[tuple[float, float, float]] = []
    async with worker(url) as (told, _), ProcessManager(url, run=False) as client:
        for _ in range(args.processes):
            samples.append(await one(client, told))  # noqa: PERF401 - they share what the worker tells
    started, heard, cancelled = (percentile(column, 50) for column in zip(*samples, strict=True))
    return started, heard, cancelled


async def bare_commit(args: argparse.Namespace) -> float:
    """Return the median seconds of a bare commit to a SQLite file."""
    with workload.fresh_database(args) as database:
        async with floors.hops(database, args) as connection:
            return percentile(await floors.bare_commits(connection, args.processes), 50)


async def one(client: ProcessManager, told: AsyncIterator[Line]) -> tuple[float, float, float]:
    """Start a process, hear its step begin, cancel it."""
    called = time.monotonic()
    handle = await client.start(workload.lingering())
    async with client.subscribe(handle.pid) as events:
        async for event in events:
            if type(event).__name__ == "StepStarted":
                break
    heard = time.monotonic()
    begun, _, _ = await anext(told)
    calls_off = time.monotonic()
    await handle.cancel()
    cancelled, _, what = await anext(told)
    assert what == "cancelled", what
    return begun - called, heard - begun, cancelled - calls_off


@asynccontextmanager
async def worker(url: str) -> AsyncIterator[tuple[AsyncIterator[Line], Process]]:
    """Run a manager in another OS process; give what its steps tell, and the OS process."""
    command = [sys.executable, workload.__file__, url]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout is not None
        told = lines(TextReceiveStream(process.stdout))
        await anext(told)  # it is open
        yield told, process
        if process.returncode is None:
            process.terminate()


async def lines(stream: TextReceiveStream) -> AsyncIterator[Line]:
    """Give what comes, line by line."""
    rest = ""
    async for text in stream:
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield tuple(json.loads(line))


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"processes": 3}, repeats=3, processes=100)
