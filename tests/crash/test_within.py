"""A process started within a transaction of a program that is killed: both are there, or neither is."""

from __future__ import annotations

import sqlite3

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_is_there_if_and_only_if_the_transaction_was_committed(tmp_path, when):
    database = tmp_path / "app.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE orders (number INTEGER)")
    async with running("tests.crash.within", database, when) as program:
        assert await program.ended() == -9, program.log
    orders = connection.execute("SELECT number FROM orders").fetchall()
    connection.close()
    async with ProcessManager(f"sqlite:///{database}", modules=["tests.crash.within"]) as manager:
        infos = await manager.list()
        assert (len(infos), len(orders)) == ((1, 1) if when == "after" else (0, 0))
        for info in infos:
            with anyio.fail_after(30):
                assert await manager.result(info.pid) == {"order": 7, "shipped": True}
