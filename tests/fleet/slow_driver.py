"""A manager that runs whatever there is, of processes whose steps take a while, until told to end.

python -m tests.fleet.slow_driver URL NAME
"""

from __future__ import annotations

import logging
import signal
import sys

import anyio

from procactors import ManagerOptions, Process, ProcessManager, Step, StepContext, step
from tests.crash.ledger import Ledger

LEASE_S, STEPS = 1, 6


@step
async def linger(data: dict, ctx: StepContext, *, ledger: Ledger) -> dict:
    """Take half a second, and count."""
    ledger.note("begin", ctx.pid, ctx.step)
    await anyio.sleep(0.5)
    ledger.note("end", ctx.pid, ctx.step)
    return {"n": data["n"] + 1}


PROCESS = Process("slow", [Step(f"s{n}", linger, services=("ledger",)) for n in range(STEPS)], timeout=None)


async def main(url: str, name: str) -> None:
    logging.basicConfig()
    ledger = Ledger(sys.stdout.fileno())
    options = ManagerOptions(lease_s=LEASE_S)
    manager = ProcessManager(url, services={"ledger": ledger}, name=name, options=options)
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with manager:
            ledger.note("open")
            async for _ in signals:
                break


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
