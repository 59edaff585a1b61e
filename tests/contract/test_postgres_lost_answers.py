"""A commit whose answer is lost on the way: tried again, it is done once and answered as it was done."""

from __future__ import annotations

import itertools

import pytest

from procactors import ManagerOptions
from procactors._clock import SystemClock
from procactors.errors import StoreUnavailableError
from procactors.stores import _batch as b
from procactors.stores import open_store
from procactors.testing.store_contract._bench import Bench, cancel

_schemas = itertools.count()


@pytest.fixture
async def bench(postgres):
    url = postgres.url(f"lost{next(_schemas)}")
    bench = Bench(lambda: open_store(url, SystemClock(), ManagerOptions()))
    await bench.open()
    yield bench
    await bench.close()


class Losing:
    """A connection that breaks as it asks something: before the server has done it, or after."""

    def __init__(self, connection, what, when):
        self._connection = connection
        self._what = what
        self._when = when

    def __getattr__(self, name):
        return getattr(self._connection, name)

    async def execute(self, statement, *values):
        return await self._ask(self._connection.execute, statement, *values)

    async def fetch(self, statement, *values):
        return await self._ask(self._connection.fetch, statement, *values)

    async def _ask(self, ask, statement, *values):
        if self._what not in statement:
            return await ask(statement, *values)
        if self._when == "after":
            await ask(statement, *values)
        self._connection.terminate()
        raise ConnectionResetError("cut off")


def break_at(bench, what, when):
    session = bench.store._writer
    session._connection = Losing(session._connection, what, when)


async def tried_again(bench, operations):
    with pytest.raises(StoreUnavailableError, match="cut off"):
        await bench.store.commit(operations)
    return await bench.store.commit(operations)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_appends_are_done_once(bench, when):
    written = await bench.done(*[bench.running() for _ in range(3)])
    appends = [bench.finish_one(one) for one in written]
    break_at(bench, "procactors_append", when)
    outcomes = await tried_again(bench, appends)
    for append, outcome in zip(appends, outcomes, strict=True):
        assert outcome.state == append.decision.state
        events = await bench.history(append.pid)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert events[3].position == outcome.position


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_transaction_is_done_once(bench, when):
    old = await bench.one(bench.queued())
    insert, change = bench.queued(key="k"), b.Change(old.pid, cancel)
    break_at(bench, "COMMIT", when)
    inserted, changed = await tried_again(bench, [insert, change])
    assert (await bench.record(insert.pid)).id == inserted.process
    assert changed.epoch == (await bench.record(old.pid)).epoch == 2
    assert len(await bench.history(old.pid)) == 3


async def test_who_waits_no_longer_does_not_disturb_the_next(bench):
    insert = bench.queued()
    break_at(bench, "COMMIT", "after")
    with pytest.raises(StoreUnavailableError):
        await bench.one(insert)
    another = await bench.one(bench.queued())
    assert (await bench.record(insert.pid)).id < another.process
    assert await bench.store.counts() == {"queued": 2}


async def test_part_of_a_batch_may_be_tried_again(bench):
    first, second = bench.queued(), bench.queued()
    break_at(bench, "COMMIT", "after")
    with pytest.raises(StoreUnavailableError):
        await bench.done(first, second)
    outcome = await bench.one(second)
    assert outcome.process == (await bench.record(second.pid)).id
    assert await bench.store.counts() == {"queued": 2}
