"""A manager that runs whatever there is, of processes whose steps wait for a file, until told to end.

At SIGUSR1 it waits for the results of all processes that it has had in hand.

python -m tests.fleet.gated_driver URL NAME GATE
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import anyio

from procactors import ManagerOptions, Process, ProcessManager, Step, StepContext, step
from tests.crash.ledger import Ledger

LEASE_S, STEPS = 1, 3


@step
async def pass_gate(data: dict, ctx: StepContext, *, ledger: Ledger, gate: Path) -> dict:
    """Wait for the gate, and count."""
    BEGUN[ctx.pid] = None
    ledger.note("begin", ctx.pid, ctx.step)
    while not gate.exists():  # noqa: ASYNC110, ASYNC240 - the test makes it, in another OS process
        await anyio.sleep(0.02)
    ledger.note("end", ctx.pid, ctx.step)
    return {"n": data["n"] + 1}


BEGUN: dict[str, None] = {}
PLAN = [Step(f"s{n}", pass_gate, services=("ledger", "gate")) for n in range(STEPS)]
PROCESS = Process("gated", PLAN, timeout=None)


async def main(url: str, name: str, gate: Path) -> None:
    logging.basicConfig()
    ledger = Ledger(sys.stdout.fileno())
    services = {"ledger": ledger, "gate": gate}
    manager = ProcessManager(url, services=services, name=name, options=ManagerOptions(lease_s=LEASE_S))
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGUSR1) as signals:
        async with manager:
            ledger.note("open")
            async for told in signals:
                if told == signal.SIGTERM:
                    break
                for pid in BEGUN:
                    ledger.note("result", pid, (await manager.result(pid))["n"])


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], Path(sys.argv[3]))
