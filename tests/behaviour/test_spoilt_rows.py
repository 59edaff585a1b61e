"""A row that somebody's hand has spoilt costs its own process, and no other."""

from __future__ import annotations

import contextlib
import sqlite3

import anyio
import asyncpg
import pytest

from procactors import InvalidStoreError, Process
from procactors.testing import SimulatedStore
from tests.behaviour.history import until_true
from tests.behaviour.steps import ask, echo, gated

ECHO = Process("echo", {"a": echo})
ONE_AT_A_TIME = Process("one at a time", {"a": echo}, max_running=1)
GATED = Process("gated", {"a": gated, "b": echo}, max_running=1)

SPOILT = {
    "state that is no JSON": "UPDATE procactors_processes SET state = 'nonsense' WHERE pid = '{pid}'",
    "state that is cut off": "UPDATE procactors_processes SET state = '{{\"seq\":' WHERE pid = '{pid}'",
    "state of another kind": "UPDATE procactors_processes SET state = '[1]' WHERE pid = '{pid}'",
    "state without fields": "UPDATE procactors_processes SET state = '{{}}' WHERE pid = '{pid}'",
    "state with odd fields": (
        'UPDATE procactors_processes SET state = \'{{"status":"queued","seq":1,"data_seq":"x"}}\''
        " WHERE pid = '{pid}'"
    ),
    "step that is not there": (
        'UPDATE procactors_processes SET state = \'{{"status":"queued","seq":1,"index":99}}\''
        " WHERE pid = '{pid}'"
    ),
    "plan that is no JSON": (
        "UPDATE procactors_events SET body = '{{'"
        " WHERE process = (SELECT id FROM procactors_processes WHERE pid = '{pid}')"
    ),
    "plan that is gone": (
        "DELETE FROM procactors_events"
        " WHERE process = (SELECT id FROM procactors_processes WHERE pid = '{pid}')"
    ),
    "tags that are none": "UPDATE procactors_processes SET tags = 'nonsense' WHERE pid = '{pid}'",
    "time that never comes": "UPDATE procactors_processes SET created_at = 1e300 WHERE pid = '{pid}'",
}
LOOSE = {
    f"{column} {value}": f"UPDATE procactors_processes SET {column} = {value} WHERE pid = '{{pid}}'"
    for column in ("epoch", "priority", "depth", "created_at")
    for value in ("'x'", "x'00ff'")
}


async def spoil(world, statement, pid):
    """Do by hand what nobody should."""
    text = statement.format(pid=pid)
    if world.kind == "memory":
        world.memory._connection.execute(text)
    elif world.kind == "sqlite":
        with contextlib.closing(
            sqlite3.connect(world.url.removeprefix("sqlite:///"), timeout=60)
        ) as connection:
            connection.execute(text)
            connection.commit()
    else:
        dsn, _, schema = world.url.rpartition("&schema=")
        world.clock.begin_outside()  # virtual time stands still meanwhile
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SET search_path TO {schema}; {text}")
        await connection.close()
        world.clock.end_outside()


@pytest.mark.parametrize("what", SPOILT)
async def test_others_run_and_are_listed_beside_a_row_that_is_spoilt(world, what):
    await check_others(world, SPOILT[what])


@pytest.mark.parametrize("what", LOOSE)
async def test_others_run_beside_a_column_of_the_wrong_type(memory_world, what):
    await check_others(memory_world, LOOSE[what])


async def check_others(world, statement):
    async with world.manager(run=False) as client:
        bad = [await client.start(one, {"x": 0}) for one in (ECHO, ONE_AT_A_TIME)]
        for one in bad:
            await spoil(world, statement, one.pid)
        good = [await client.start(one, {"x": 1}) for one in (ECHO, ONE_AT_A_TIME, ONE_AT_A_TIME)]
        async with world.manager(max_running=1) as m:
            assert [await m.result(one.pid) for one in good] == [{"x": 1}] * 3
            assert {info.pid for info in await m.list()} == {one.pid for one in good}
            assert sum((await m.counts()).values()) == 5
            assert await m.queues()
            assert await m.names() == ["echo", "one at a time"]
            await until_true(lambda: holds(lambda: len(m.health().warnings) == 2))
            assert all(any(one.pid in text for text in m.health().warnings) for one in bad)
            assert m.health().is_ready
            for one in bad:
                with pytest.raises(InvalidStoreError, match="can't be read") as caught:
                    await m.info(one.pid)
                assert caught.value.pid == one.pid


async def holds(fact):
    return fact()


async def test_a_status_that_there_is_not_is_not_counted(world):
    async with world.manager(run=False) as client:
        handle = await client.start(ECHO)
        await spoil(
            world, "UPDATE procactors_processes SET status = 'dancing' WHERE pid = '{pid}'", handle.pid
        )
        assert await client.counts() == {}


async def test_a_process_whose_row_is_spoilt_while_it_runs_holds_up_neither_its_manager_nor_others(world):
    async with world.manager() as m:
        bad = await m.start(GATED, {"x": 0})
        await world.probe.reached["a"].wait()
        await spoil(world, SPOILT["state that is no JSON"], bad.pid)
        assert await (await m.start(ECHO, {"x": 1})).result() == {"x": 1}
        world.probe.gates["a"].set()
        assert await (await m.start(ECHO, {"x": 2})).result() == {"x": 2}
    async with world.manager() as other:
        assert await (await other.start(GATED, {"x": 3})).result() == {"x": 3}


async def test_a_row_that_was_spoilt_while_its_manager_died_leaves_its_queue_to_others(world):
    first = world.manager()
    await first.open()
    bad = await first.start(GATED, {"x": 0})
    await world.probe.reached["a"].wait()
    await spoil(world, SPOILT["state that is no JSON"], bad.pid)
    await first.kill()
    world.probe.gates["a"].set()
    async with world.manager() as m:
        assert await (await m.start(GATED, {"x": 1})).result() == {"x": 1}


async def test_a_question_that_is_spoilt_and_runs_out_keeps_nobody_busy(memory_world):
    store = SimulatedStore(memory_world.memory)
    async with memory_world.manager(store=store) as m:
        handle = await m.start(Process("asks", {"a": ask}), {"timeout": 5})
        await until_true(lambda: is_interrupted(handle))
        await spoil(
            memory_world,
            "UPDATE procactors_processes SET expires_at = created_at WHERE pid = '{pid}'",
            handle.pid,
        )
        await spoil(memory_world, SPOILT["state that is no JSON"], handle.pid)
        assert await (await m.start(ECHO, {"x": 1}, delay=1)).result() == {"x": 1}
        before = store.commits
        await anyio.sleep(60)
        assert store.commits - before < 200


async def is_interrupted(handle):
    return (await handle.info()).status == "interrupted"
