"""A copy that is made of a SQLite store while managers run is whole, and its processes go on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import anyio
import pytest

from procactors import Interrupt, ManagerOptions, Process, ProcessManager, ProcessStatus


async def count(data):
    return {"count": data.get("count", 0) + 1}


async def ask(data):
    return Interrupt(data)


COUNT = Process("count", {f"step {number}": count for number in range(30)})
ASK = Process("ask", {"first": count, "ask": ask, "last": count})
VACUUM = "c.execute('VACUUM INTO ?', sys.argv[2:])"
BACKUP = "c.backup(sqlite3.connect(sys.argv[2]))"  # what .backup of the sqlite3 shell does


def operate(statement, path, copied):
    """Do something to a database in an OS process of its own, as an operator does."""
    script = f"import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); {statement}"
    subprocess.run([sys.executable, "-c", script, path, copied], check=True)


@pytest.mark.parametrize("statement", [VACUUM, BACKUP], ids=["vacuum into", "backup"])
async def test_a_copy_of_a_store_in_use_is_whole_and_goes_on(tmp_path, statement):
    path, copied = tmp_path / "app.db", tmp_path / "copy.db"
    async with ProcessManager(f"sqlite:///{path}", options=ManagerOptions(lease_s=1)) as manager:
        asking = await manager.start(ASK)
        handles = [await manager.start(COUNT) for _ in range(40)]
        await anyio.to_thread.run_sync(operate, statement, path, copied)
        for handle in handles:
            await handle.result()

    with closing(sqlite3.connect(copied)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with ProcessManager(f"sqlite:///{copied}") as manager:
        for handle in handles:
            assert await manager.result(handle.pid) == {"count": 30}
        async with manager.subscribe(asking.pid) as events:
            async for _ in events:
                if (await manager.info(asking.pid)).status is ProcessStatus.INTERRUPTED:
                    break
        await manager.proceed(asking.pid)
        assert await manager.result(asking.pid) == {"count": 2}
