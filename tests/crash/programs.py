"""Small programs that come to a bad end: each starts one process by key, and waits for its result.

    python -m tests.crash.programs NAME DATABASE [hang]

What happens is noted on standard output, the library's log goes to standard error. `hang` makes the step that
hangs hang, and the one that takes a moment wait until the program is told to stop; without it the program,
run again, goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

import anyio

from procactors import ManagerOptions, Process, ProcessEndedError, ProcessManager, Step, StepContext
from tests.crash.ledger import Ledger

LEDGER = Ledger(sys.stdout.fileno())
HANGS = "hang" in sys.argv
CRASH_LIMIT = 3
LEASE_S = 2.0
BLOCKED_S = 2.5 * LEASE_S
SHORT_LEASE = ManagerOptions(lease_s=LEASE_S, blocked_loop_s=0.3)
OPTIONS = ManagerOptions(lease_s=1000, crash_limit=CRASH_LIMIT, grace_s=0.5)
PATIENT = ManagerOptions(grace_s=100)
TOLD_TO_STOP = anyio.Event()


async def quick(data: dict) -> dict:
    return {**data, "quick": data.get("quick", 0) + 1}


async def hangs(data: dict, ctx: StepContext) -> dict:
    LEDGER.note("begin", ctx.attempt)
    if HANGS:
        await anyio.sleep_forever()
    return {**data, "came_back": True}


async def takes_a_moment(data: dict, ctx: StepContext) -> dict:
    LEDGER.note("begin", ctx.attempt)
    if HANGS:
        await TOLD_TO_STOP.wait()
    await anyio.sleep(0.1)
    return {**data, "had_its_moment": True}


async def takes_a_while(data: dict, ctx: StepContext) -> dict:
    LEDGER.note("begin", ctx.attempt)
    await anyio.sleep(3)
    LEDGER.note("end", ctx.attempt)
    return {**data, "took": "a while"}


async def kills_its_program(data: dict, ctx: StepContext) -> dict:
    LEDGER.note("begin", ctx.attempt)
    os.kill(os.getpid(), signal.SIGKILL)
    return data


async def blocks_the_loop(data: dict, ctx: StepContext) -> dict:
    LEDGER.note("begin", ctx.attempt)
    time.sleep(BLOCKED_S)  # noqa: ASYNC251, TID251 - the very mistake that the watchdog is there for
    return {**data, "blocked": True}


PROGRAMS = {
    "hangs": {"before": quick, "hangs": hangs, "after": quick},
    "takes-a-moment": {"moment": takes_a_moment, "hangs": hangs},
    "takes-a-while": {"while": takes_a_while, "after": quick},
    "crash-loop": {"before": quick, "kills": kills_its_program},
    "once": {"before": quick, "hangs": Step("hangs", hangs, at_most_once=True)},
    "blocks": {"blocks": blocks_the_loop, "after": quick},
}


async def main(name: str, database: str) -> None:
    process = Process(name, PROGRAMS[name], timeout=None)
    options = {"blocks": SHORT_LEASE, "takes-a-while": SHORT_LEASE, "takes-a-moment": PATIENT}.get(
        name, OPTIONS
    )
    LEDGER.note("start")
    async with ProcessManager(f"sqlite:///{database}", options=options) as manager:
        LEDGER.note("open")
        handle = await manager.start(process, key=name)
        async with anyio.create_task_group() as group:
            group.start_soon(stop_at_sigterm, group.cancel_scope)
            try:
                LEDGER.note("finished", await handle.result())
            except ProcessEndedError as error:
                LEDGER.note("ended", type(error).__name__)
            group.cancel_scope.cancel()
    LEDGER.note("closed")


async def stop_at_sigterm(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        LEDGER.note("listens")
        async for _ in signals:
            TOLD_TO_STOP.set()
            scope.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    anyio.run(main, sys.argv[1], sys.argv[2])
