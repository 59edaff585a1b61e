"""A program that books with its checkpoints, and is killed while it does.

    python -m tests.crash.booking URL STEPS [MOST]

Each step enters its name into a table of the application's, in the same database: by `ctx.at_checkpoint` in a
file, by `ctx.tx` in PostgreSQL. Only MOST steps go on after they have begun; then it waits to be killed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from procactors import Process, ProcessManager, Step, StepContext, step
from tests.crash.ledger import BoundedLedger

if TYPE_CHECKING:
    import sqlite3

PROCESSES = 8


def enter(connection: sqlite3.Connection, pid: str, name: str) -> None:
    connection.execute("INSERT INTO bookings VALUES (?, ?)", (pid, name))


@step
async def book(data: dict, ctx: StepContext, *, ledger: BoundedLedger) -> dict:
    """Enter it once, whatever happens."""
    ledger.note("begin", ctx.pid, ctx.step)
    await ledger.go_on()
    ctx.at_checkpoint(enter, ctx.pid, ctx.step)
    await anyio.sleep(0.005)
    return data


@step
async def book_within(data: dict, ctx: StepContext, *, ledger: BoundedLedger) -> dict:
    """Do the same in a transaction of its own."""
    ledger.note("begin", ctx.pid, ctx.step)
    async with ctx.tx as connection:
        await connection.execute("INSERT INTO bookings VALUES ($1, $2)", ctx.pid, ctx.step)
    await ledger.go_on()
    return data


async def main(url: str, steps: int, most: int = sys.maxsize) -> None:
    ledger = BoundedLedger(sys.stdout.fileno(), most)
    call = book if url.startswith("sqlite") else book_within
    plan = Process("booking", [Step(f"s{n}", call, services=("ledger",)) for n in range(steps)], timeout=None)
    async with ProcessManager(url, services={"ledger": ledger}) as manager:
        handles = [await manager.start(plan, key=f"b{n}") for n in range(PROCESSES)]
        for handle in handles:
            await handle.result()
    ledger.note("done")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], *map(int, sys.argv[2:]))
