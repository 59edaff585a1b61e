"""How soon another OS process on the same SQLite file hears: a client here, a manager there.

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
from report import Figure, figure, ms, percentile

from procactors import ProcessManager

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from anyio.abc import Process

Line = tuple[float, str, str]
"""When, of which process, what."""
TARGET = "6 ms"


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Return p50 of each."""
    runs = [await repetition(args) for _ in range(args.repeats)]
    names = (
        "client's start to step in another process",
        "step in another process to subscriber",
        "client's cancel to step in another process",
    )
    how = workload.durability(args)
    commits = [ms(run[3]) for run in runs]
    figures = []
    for index, name in enumerate(names):
        ours = [ms(run[index]) for run in runs]
        figures.append(
            figure(
                f"{name}, p50", "ms", ours, beside=floors.HOPS, floor=commits, durability=how, target=TARGET
            )
        )
    return figures


async def repetition(args: argparse.Namespace) -> tuple[float, float, float, float]:
    """Return the median seconds of each, and of a bare commit."""
    samples: list[tuple[float, float, float]] = []
    with workload.fresh_database(args) as database:
        url = workload.url_of(database, args)
        async with worker(url) as (told, _), ProcessManager(url, run=False) as client:
            for _ in range(args.processes):
                samples.append(await one(client, told))  # noqa: PERF401 - they share what the worker tells
        async with floors.hops(database.with_name("hops.db"), args) as connection:
            commits = await floors.bare_commits(connection, args.processes)
    started, heard, cancelled = (percentile(column, 50) for column in zip(*samples, strict=True))
    return started, heard, cancelled, percentile(commits, 50)


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
