"""A manager whose program starts, answers and cancels processes that others do the same with, and notes it.

python -m tests.fleet.rival_driver URL SEED PROCESSES
"""

from __future__ import annotations

import random
import signal
import sys
import time

import anyio

from procactors import Interrupt, Process, ProcessInterrupted, ProcessManager, step
from procactors.errors import NotInterruptedError
from tests.crash.ledger import Ledger

CALLS = 3


@step
async def ask(data: dict) -> Interrupt:
    return Interrupt(data)


@step
async def go_on(data: dict) -> dict:
    await anyio.sleep(0.002)
    return data


PROCESS = Process("rivals", [ask, go_on], timeout=None)


class Rival:
    def __init__(self, manager: ProcessManager, seed: int, ledger: Ledger) -> None:
        self.manager = manager
        self.rng = random.Random(seed)
        self.ledger = ledger

    async def play(self, number: int) -> None:
        """Start one by key, and then try to decide what becomes of it."""
        began = time.monotonic()
        pid = (await self.manager.start(PROCESS, {"n": number}, key=f"p{number}")).pid
        self.ledger.note("start", f"p{number}", pid, began, time.monotonic())
        if number % 2:
            await self.asked(pid)
        for _ in range(CALLS):
            await anyio.sleep(self.rng.random() * 0.02)
            await self.call(pid, self.rng.choice(["proceed", "proceed", "cancel"]))

    async def asked(self, pid: str) -> None:
        """Until it has asked its question: the calls on the others may come before that."""
        async with self.manager.subscribe(pid) as events:
            async for event in events:
                if isinstance(event, ProcessInterrupted):
                    return

    async def call(self, pid: str, what: str) -> None:
        began = time.monotonic()
        if what == "cancel":
            outcome = await self.manager.cancel(pid)
        else:
            try:
                await self.manager.proceed(pid)
                outcome = True
            except NotInterruptedError:
                outcome = False
        self.ledger.note(what, pid, outcome, began, time.monotonic())


async def main(url: str, seed: int, processes: int) -> None:
    ledger = Ledger(sys.stdout.fileno())
    async with ProcessManager(url, name=f"rival-{seed}") as manager:
        rival = Rival(manager, seed, ledger)
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            ledger.note("open")
            async with anyio.create_task_group() as group:
                for number in range(processes):
                    group.start_soon(rival.play, number)
            ledger.note("done")
            async for _ in signals:
                break


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
