"""A store that refuses for good what one process wants written, or all that anybody does."""

from __future__ import annotations

import itertools
import logging

import anyio
import asyncpg
import pytest

from procactors import InvalidStoreError, ManagerOptions, Process, ProcessManager
from procactors.testing import SimulatedStore
from tests.behaviour.history import until_true
from tests.behaviour.steps import Probe, echo, gated

ECHO = Process("echo", {"a": echo})
GATED = Process("gated", {"a": gated, "b": echo}, timeout=None)

_schemas = itertools.count()


class Refusing(SimulatedStore):
    """Refuses each transaction in which one of `pids` wants anything written, or any at all."""

    def __init__(self, inner):
        super().__init__(inner)
        self.pids = set()
        self.refuses_all = False
        self.refusals = 0

    async def commit(self, operations):
        if self.refuses_all or any(getattr(one, "pid", None) in self.pids for one in operations):
            self.refusals += 1
            raise InvalidStoreError("db://here refused: permission denied") from OSError("permission denied")
        return await super().commit(operations)


async def holds(fact):
    return fact()


@pytest.fixture
def store(memory_world):
    return Refusing(memory_world.memory)


@pytest.fixture
async def m(memory_world, store):
    async with memory_world.manager(store=store) as m:
        yield m


async def test_what_one_process_can_not_write_holds_up_no_other(m, store, probe, caplog):
    bad = await m.start(GATED, {"x": 1})
    await probe.reached["a"].wait()
    store.pids.add(bad.pid)
    probe.gates["a"].set()
    began = anyio.current_time()
    for number in range(20):
        assert await (await m.start(ECHO, {"x": number})).result() == {"x": number}
    assert anyio.current_time() - began < 1
    assert m.health().is_ready
    (warning,) = m.health().warnings
    assert bad.pid in warning
    assert "permission denied" in warning
    assert "db://" not in warning
    await anyio.sleep(60)
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1
    store.pids.clear()
    assert await bad.result() == {"x": 1}
    assert m.health().warnings == ()


async def test_many_that_are_refused_let_each_other_and_the_rest_go_on(m, store, probe):
    bad = [await m.start(GATED, {"x": number}) for number in range(30)]
    await until_true(lambda: holds(lambda: store.commits > 30))
    store.pids.update(one.pid for one in bad)
    probe.gates["a"].set()
    assert await (await m.start(ECHO, {"x": 1})).result() == {"x": 1}
    await anyio.sleep(30)
    store.pids.remove(bad[29].pid)
    assert await bad[29].result() == {"x": 29}
    store.pids.clear()
    assert [await one.result() for one in bad] == [{"x": number} for number in range(30)]


async def test_a_user_hears_at_once_what_the_store_refuses(m, store):
    store.refuses_all = True
    began = anyio.current_time()
    with pytest.raises(InvalidStoreError, match="permission denied"):
        await m.start(ECHO)
    assert anyio.current_time() == began
    store.refuses_all = False


async def test_a_store_that_refuses_everything_makes_a_manager_unready_until_it_writes_again(m, store, probe):
    bad = await m.start(GATED, {"x": 1})
    await probe.reached["a"].wait()
    store.refuses_all = True
    probe.gates["a"].set()
    for _ in range(5):
        with pytest.raises(InvalidStoreError):
            await m.start(ECHO)
    health = m.health()
    assert (health.is_live, health.is_ready) == (True, False)
    assert health.reason == "its store refuses all that is written: permission denied"
    store.refuses_all = False
    assert await bad.result() == {"x": 1}
    assert m.health().is_ready


async def test_a_store_that_stays_away_is_named_by_health(m, store):
    store.is_away = True
    with pytest.raises(Exception, match="away"):
        await m.start(ECHO)
    assert "nothing could be written for 10.0 s: the simulated store is away" in m.health().reason
    store.is_away = False
    await m.start(ECHO)
    assert m.health().is_ready


async def test_what_was_refused_is_not_lost_when_the_manager_closes(memory_world, probe):
    store = Refusing(memory_world.memory)
    options = ManagerOptions(grace_s=0.1, kill_grace_s=0.1, store_patience_s=0.1)
    async with memory_world.manager(store=store, options=options) as m:
        handle = await m.start(GATED, {"x": 1})
        await probe.reached["a"].wait()
        store.pids.add(handle.pid)
        probe.gates["a"].set()
        await until_true(lambda: holds(lambda: m.health().warnings))
    async with memory_world.manager() as other:
        assert await other.result(handle.pid) == {"x": 1}


async def test_a_row_that_postgresql_refuses_holds_up_no_other(postgres):
    url = postgres.url(f"refusing{next(_schemas)}")
    gates = Probe()
    async with ProcessManager(url, services={"probe": gates}) as m:
        bad = await m.start(GATED, {"x": 1})
        await gates.reached["a"].wait()
        connection = await asyncpg.connect(dsn(url))
        schema = url.rpartition("=")[2]
        await connection.execute(REFUSAL.format(schema=schema, pid=bad.pid))
        gates.gates["a"].set()
        for number in range(5):
            assert await (await m.start(ECHO, {"x": number})).result() == {"x": number}
        await until_true(lambda: holds(lambda: m.health().warnings))
        assert "not this one" in m.health().warnings[0]
        await connection.execute(f"DROP FUNCTION {schema}.refuse CASCADE")
        await connection.close()
        assert await bad.result() == {"x": 1}


def dsn(url):
    return url.rpartition("&schema=")[0]


REFUSAL = """
CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'not this one' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON {schema}.procactors_processes FOR EACH ROW
    WHEN (new.pid = '{pid}') EXECUTE FUNCTION {schema}.refuse();
"""


async def test_a_table_that_was_dropped_by_hand_is_named_and_works_again_when_it_is_back(postgres):
    url = postgres.url(f"refusing{next(_schemas)}")
    schema = url.rpartition("=")[2]
    async with ProcessManager(url) as m:
        connection = await asyncpg.connect(dsn(url))
        await connection.execute(f"ALTER TABLE {schema}.procactors_events RENAME TO elsewhere")
        for _ in range(3):
            with pytest.raises(InvalidStoreError, match="procactors_events"):
                await m.start(ECHO, {"x": 1})
        with pytest.raises(InvalidStoreError, match="procactors_events"):
            await m.list()
        assert not m.health().is_ready
        assert "procactors_events" in m.health().reason
        await connection.execute(f"ALTER TABLE {schema}.elsewhere RENAME TO procactors_events")
        await connection.close()
        assert await (await m.start(ECHO, {"x": 2})).result() == {"x": 2}
        assert m.health().is_ready
