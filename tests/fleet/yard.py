"""A manager of a fleet as a program: runs whatever there is of the definitions below, until told to end.

    python -m tests.fleet.yard URL NAME GATES [slots=N] [keep_s=N] [blocked_s=N] [plugins=yes]

What its steps do is noted on standard output. A step that waits goes on when there is a file of its name in
the folder GATES.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import anyio

from procactors import (
    Each,
    ManagerOptions,
    Parallel,
    Process,
    ProcessManager,
    Sleep,
    Step,
    StepContext,
    step,
)
from procactors.cron import CronPlugin
from tests.crash.ledger import Ledger

LEASE_S = 2
NOTES, WAITS = ("ledger",), ("ledger", "gates")


@step
async def stay(data: dict, ctx: StepContext, *, ledger: Ledger) -> dict:
    """Be inside for a few milliseconds."""
    ledger.note("in", ctx.pid, data.get("group"))
    try:
        await anyio.sleep(0.002 + data["n"] % 5 / 500)
    finally:
        ledger.note("out", ctx.pid, data.get("group"))
    return data


@step
async def pass_gate(data: dict, ctx: StepContext, *, ledger: Ledger, gates: Path) -> dict:
    """Wait until the gate is open, and say so."""
    ledger.note("begin", ctx.step, ctx.pid)
    await opened(gates / ctx.step)
    ledger.note("end", ctx.step, ctx.pid)
    return {**data, "passed": [*data.get("passed", []), ctx.step]}


@step
async def say(data: dict, ctx: StepContext, *, ledger: Ledger) -> dict:
    ledger.note("said", ctx.step, ctx.pid)
    return data


@step
async def branch(data: dict, ctx: StepContext) -> dict:
    """Run children alone and side by side."""
    first = await ctx.run(LEAF, data, key="first")
    others = await ctx.gather((LEAF, {"n": 2}, "second"), (LEAF, {"n": 3}, "third"))
    return {"items": [first, *others]}


@step
async def total(items: list) -> int:
    return sum(item["n"] for item in items)


@step
async def break_down(_data: dict) -> None:
    raise OSError("it was all in vain")


async def opened(gate: Path) -> None:
    while not gate.exists():  # noqa: ASYNC110, ASYNC240 - the test makes it, in another OS process
        await anyio.sleep(0.02)


def gate(name: str, **more: object) -> Step:
    return Step(name, pass_gate, services=WAITS, **more)


def saying(name: str, **more: object) -> Step:
    return Step(name, say, services=NOTES, **more)


STAY = [Step(name, stay, services=NOTES) for name in ("arrives", "stays")]
LIMITED = Process("limited", STAY, timeout=None, max_running=3, max_per_group=1)
RATED = Process("rated", STAY[:1], timeout=None, rate=(10, 0.5))
FREE = Process("free", [saying("free")])
GATED = Process("gated", [gate("gate")], timeout=None)
NAP = Process("nap", {"before": saying("before"), "nap": Sleep(1), "after": saying("after")})
FAMILY = Process(
    "family", [Step("both", Parallel({"left": gate("left"), "right": gate("right")}))], timeout=None
)
LEAF = Process("leaf", STAY[:1], timeout=None, max_running=3)
TREE = Process(
    "tree",
    {"branch": branch, "nap": Sleep(0.05), "each": Each(LEAF, over="items", limit=2), "total": total},
    timeout=None,
)
VAIN = Process(
    "vain", [saying(name, undo=saying(name)) for name in ("hotel", "flight")] + [Step("pays", break_down)]
)
UNDONE = Process(
    "undone",
    [
        saying("hotel", undo=saying("hotel")),
        saying("flight", undo=gate("flight")),
        Step("pays", break_down),
    ],
)


class Ticks:
    """Says that it runs, and waits for its gate."""

    key, interval = "ticks", 1000

    def __init__(self, ledger: Ledger, gates: Path) -> None:
        self._ledger, self._gates = ledger, gates

    async def run(self, _manager: ProcessManager, last_run: object) -> None:
        self._ledger.note("runs", last_run)
        await opened(self._gates / self.key)
        self._ledger.note("ran", last_run)


async def main(url: str, name: str, gates: Path, words: dict[str, str]) -> None:
    ledger = Ledger(sys.stdout.fileno())
    manager = ProcessManager(
        url,
        name=name,
        services={"ledger": ledger, "gates": gates},
        plugins=[Ticks(ledger, gates), CronPlugin("*/1 * * * * *", FREE)] if "plugins" in words else (),
        max_running=int(words.get("slots", 16)),
        options=ManagerOptions(
            lease_s=LEASE_S,
            crash_limit=50,
            keep_ended_s=float(words.get("keep_s", 86_400)),
            blocked_after_s=float(words.get("blocked_s", 60)),
        ),
    )
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with manager:
            ledger.note("open", name)
            async for _ in signals:
                break


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    anyio.run(main, *sys.argv[1:3], Path(sys.argv[3]), dict(word.split("=") for word in sys.argv[4:]))
