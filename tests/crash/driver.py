"""The program that is killed: runs processes of many small steps, started by key, until all have finished.

    python -m tests.crash.driver DATABASE LEDGER PROCESSES STEPS

Each step notes in the ledger, an append-only file beside the store, that it began; the driver notes when it
starts and when everything is done. Run again after a kill it goes on.
"""

from __future__ import annotations

import os
import sys
import time

import anyio

from procactors import Process, ProcessManager, Step, StepContext, step

MAX_RUNNING = 8


class Ledger:
    """Lines that survive a kill: each is one write to a file opened for appending."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def note(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, (f"{time.time():.6f}", *words))) + "\n").encode())  # noqa: TID251


@step
async def work(data: dict, ctx: StepContext, *, ledger: Ledger) -> dict:
    """Take 20 to 60 ms, and count."""
    number = data["count"]
    ledger.note("begin", ctx.pid, ctx.step, ctx.attempt)
    await anyio.sleep(0.02 + (number * 7 + data["seed"] * 3) % 41 / 1000)
    return {**data, "count": number + 1}


def process(steps: int) -> Process:
    return Process("kill-nine", [Step(f"s{i}", work, services=("ledger",)) for i in range(steps)])


async def main(database: str, ledger_path: str, processes: int, steps: int) -> None:
    ledger = Ledger(ledger_path)
    ledger.note("start", os.getpid())
    manager = ProcessManager(f"sqlite:///{database}", services={"ledger": ledger}, max_running=MAX_RUNNING)
    async with manager:
        ledger.note("open", os.getpid())
        handles = [
            await manager.start(process(steps), {"count": 0, "seed": n}, key=f"p{n}")
            for n in range(processes)
        ]
        for handle in handles:
            await handle.result()
    ledger.note("done", os.getpid())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
