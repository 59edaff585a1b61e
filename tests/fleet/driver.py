"""One manager of a fleet: starts its share of processes by key, runs whatever there is, until told to end.

python -m tests.fleet.driver URL LEDGER NAME FIRST LAST
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import anyio

from procactors import ManagerOptions, Process, ProcessManager, Step, StepContext, step
from tests.crash.ledger import Ledger

STEPS = 3
LEASE_S = 2


@step
async def work(data: dict, ctx: StepContext, *, note: object) -> dict:
    """Take a few milliseconds, and count."""
    note("begin", ctx.pid, ctx.step)
    try:
        await anyio.sleep(0.002 + data["n"] % 7 / 1000)
    finally:
        note("end", ctx.pid, ctx.step)
    return {"n": data["n"], "sum": data["sum"] + data["n"]}


PROCESS = Process("fleet", [Step(f"s{n}", work, services=("note",)) for n in range(STEPS)], timeout=None)


async def start_share(manager: ProcessManager, first: int, last: int) -> None:
    async with anyio.create_task_group() as group:
        for n in range(first, last):
            group.start_soon(partial(manager.start, PROCESS, {"n": n, "sum": 0}, key=f"p{n}"))


async def main(url: str, path: Path, name: str, first: int, last: int) -> None:
    out = Ledger(sys.stdout.fileno())
    shared = Ledger(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
    me = f"{name}-{os.getpid()}"
    manager = ProcessManager(
        url,
        services={"note": lambda *words: shared.note(me, *words)},
        max_running=16,
        name=me,
        options=ManagerOptions(lease_s=LEASE_S, crash_limit=50),
    )
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with manager:
            out.note("open", me)
            await start_share(manager, first, last)
            out.note("started", me)
            async for _ in signals:
                break
    out.note("closed", me)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
