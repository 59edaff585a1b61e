"""The program that is killed: runs processes of many small steps, started by key, until all have finished.

    python -m tests.crash.driver DATABASE PROCESSES STEPS

It notes on its standard output when it starts, that a step begins, what a subscriber sees, and when
everything is done. Run again after a kill it goes on.
"""

from __future__ import annotations

import os
import sys

import anyio

from procactors import ManagerOptions, Process, ProcessManager, Step, StepContext, step
from tests.crash.ledger import Ledger

MAX_RUNNING = 8


@step
async def work(data: dict, ctx: StepContext, *, ledger: Ledger) -> dict:
    """Take 20 to 60 ms, and count."""
    number = data["count"]
    ledger.note("begin", ctx.pid, ctx.step, ctx.attempt)
    await anyio.sleep(0.02 + (number * 7 + data["seed"] * 3) % 41 / 1000)
    return {**data, "count": number + 1, "sum": data.get("sum", 0) + number * data["seed"]}


def process(steps: int) -> Process:
    """No timeout: the time while nothing runs counts, too."""
    plan = [Step(f"s{i}", work, services=("ledger",)) for i in range(steps)]
    return Process("kill-nine", plan, timeout=None)


async def watch(manager: ProcessManager, ledger: Ledger) -> None:
    async with manager.subscribe() as events:
        ledger.note("watching")
        async for event in events:
            ledger.note("saw", event.pid, event.seq, event.position, type(event).__name__)


async def main(database: str, processes: int, steps: int) -> None:
    ledger = Ledger(sys.stdout.fileno())
    ledger.note("start", os.getpid())
    manager = ProcessManager(
        f"sqlite:///{database}",
        services={"ledger": ledger},
        max_running=MAX_RUNNING,
        options=ManagerOptions(crash_limit=1000),  # it is killed far too often for the usual limit
    )
    async with manager, anyio.create_task_group() as group:
        group.start_soon(watch, manager, ledger)
        handles = [
            await manager.start(process(steps), {"count": 0, "seed": n}, key=f"p{n}")
            for n in range(processes)
        ]
        for handle in handles:
            await handle.result()
        group.cancel_scope.cancel()
    ledger.note("done")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
