"""The work of `peers.py` in DBOS: `on_dbos.py FILE PROCESSES STEPS LONE_STEPS`.

A workflow of steps for each process. DBOS leaves SQLite in its rollback journal; WAL is set here by hand, at
`synchronous=FULL`, so that a commit means the same for all, and is cheaper than by default.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import pairwise
from statistics import median
from typing import Any

from dbos import DBOS
from sqlalchemy import event
from sqlalchemy.engine import Engine

moments: list[float] = []


@event.listens_for(Engine, "connect")
def set_durability(connection: Any, _record: Any) -> None:
    """Set what a commit means."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


@DBOS.step()
async def note(data: dict[str, int]) -> dict[str, int]:
    """Note when it is, and return the input."""
    moments.append(time.perf_counter())
    return data


@DBOS.workflow()
async def process(data: dict[str, int], steps: int) -> dict[str, int]:
    """Run the steps one after the other."""
    for _ in range(steps):
        data = await note(data)
    return data


async def run_all(processes: int, steps: int) -> float:
    """Start them all, wait for all; return the seconds."""
    started = time.perf_counter()
    handles = [await DBOS.start_workflow_async(process, {}, steps) for _ in range(processes)]
    for handle in handles:
        await handle.get_result()
    return time.perf_counter() - started


async def main(processes: int, steps: int, lone_steps: int) -> None:
    """Print steps a second, and the median milliseconds from step to step of a lone process."""
    await run_all(processes // 10 + 1, steps)
    seconds = await run_all(processes, steps)
    moments.clear()
    await run_all(1, lone_steps)
    lone = median(later - earlier for earlier, later in pairwise(moments))
    print(processes * steps / seconds, lone * 1000)


if __name__ == "__main__":
    config = {"name": "bench", "system_database_url": f"sqlite:///{sys.argv[1]}", "log_level": "ERROR"}
    DBOS(config=config | {"run_admin_server": False})
    DBOS.launch()
    asyncio.run(main(*map(int, sys.argv[2:])))
    DBOS.destroy()
