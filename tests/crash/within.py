"""A program that starts a process within its own transaction, and is killed before or after its commit.

python -m tests.crash.within DATABASE before|after
"""

from __future__ import annotations

import os
import signal
import sys

import aiosqlite
import anyio

from procactors import Process, ProcessManager, step


@step
async def ship(data: dict) -> dict:
    return {**data, "shipped": True}


PROCESS = Process("ship", [ship])


async def main(database: str, when: str) -> None:
    async with (
        ProcessManager(f"sqlite:///{database}", run=False) as client,
        aiosqlite.connect(database) as connection,
    ):
        await connection.execute("INSERT INTO orders VALUES (7)")
        await client.start(PROCESS, {"order": 7}, key="order 7", tx=connection)
        if when == "after":
            await connection.commit()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
