"""Programs that are killed between what they defer durably and its being done.

    python -m tests.crash.deferring step|response DATABASE [kill]

`kill` makes the program kill itself: after the checkpoint of its step, or when its response starts.
Without it the program waits until no process is left to do.
"""

from __future__ import annotations

import os
import signal
import sys

import anyio

from procactors import Process, ProcessManager, StepContext
from procactors.deferred import defer
from procactors.web import DeferredMiddleware
from tests.crash.ledger import Ledger
from tests.unit.web.samples import Server, responding

LEDGER = Ledger(sys.stdout.fileno())
KILLS = "kill" in sys.argv


async def durable(number: int) -> None:
    LEDGER.note("done", number)


def kill() -> None:
    LEDGER.note("killed")
    os.kill(os.getpid(), signal.SIGKILL)


async def defers(data: dict, ctx: StepContext) -> dict:
    if KILLS:
        ctx.defer(kill)
    ctx.defer(LEDGER.note, "lost")
    for number in range(3):
        ctx.defer(durable, number, durable=True)
    return data


async def after(data: dict) -> dict:
    LEDGER.note("next step")
    return data


async def in_step(manager: ProcessManager) -> None:
    await manager.start(Process("defers", [defers, after]), key="once")


async def around_response(manager: ProcessManager) -> None:
    async def endpoint() -> bytes:
        defer(LEDGER.note, "lost")
        for number in range(3):
            defer(durable, number, durable=True)
        return b""

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            kill()

    async with Server(DeferredMiddleware(responding(endpoint), manager)) as server:
        await server.get(send=send)


async def main(kind: str, database: str) -> None:
    slots = 1 if KILLS else 8
    async with ProcessManager(f"sqlite:///{database}", max_running=slots, modules=[__package__]) as manager:
        if KILLS:
            await {"step": in_step, "response": around_response}[kind](manager)
        while await manager.list(["queued", "running", "sleeping"]):  # noqa: ASYNC110 - nothing tells it
            await anyio.sleep(0.05)
    LEDGER.note("end")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
