"""A program that does one step for each of many items, and is killed while it does.

    python -m tests.crash.each_driver DATABASE ITEMS [MOST]

It notes on its standard output which item it begins, and when everything is done. Run again after a kill it
goes on. Only MOST items go on after that; then it waits to be killed.
"""

from __future__ import annotations

import sys

import anyio

from procactors import Each, Process, ProcessManager, Step, step
from tests.crash.ledger import BoundedLedger

MAX_RUNNING = 8


@step
async def work(item: int, *, ledger: BoundedLedger) -> int:
    """Leave a trace that no kill takes back, and take a moment."""
    ledger.note("begin", item)
    await ledger.go_on()
    return item * item


PROCESS = Process("each", {"all": Each(Step("work", work, services=("ledger",)), over="items")}, timeout=None)


async def main(database: str, items: int, most: int = sys.maxsize) -> None:
    ledger = BoundedLedger(sys.stdout.fileno(), most)
    services = {"ledger": ledger}
    async with ProcessManager(f"sqlite:///{database}", services=services, max_running=MAX_RUNNING) as manager:
        ledger.note("open")
        handle = await manager.start(PROCESS, {"items": list(range(items))}, key="each")
        await handle.result()
    ledger.note("done")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], *map(int, sys.argv[2:]))
