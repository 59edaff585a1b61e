"""`ctx.at_checkpoint` with a store in PostgreSQL: async functions, in the transaction of the checkpoint."""

from __future__ import annotations

import contextlib
import itertools

import anyio
import asyncpg
import pytest

from procactors import Process, ProcessFailedError, ProcessManager
from tests.behaviour.history import history, only

_schemas = itertools.count()


async def enters(connection):
    await connection.execute("INSERT INTO ledger VALUES ('entered')")


async def enters_within_a_transaction_of_its_own(connection):
    async with connection.transaction():
        await enters(connection)


async def undoes_a_part(connection):
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO ledger VALUES ('undone')")
            await connection.execute("SELECT 1 / 0")
    except asyncpg.DivisionByZeroError:
        await enters(connection)


async def looks_elsewhere(connection):
    await enters(connection)
    await connection.execute("SET search_path TO pg_catalog")


async def hides_an_error(connection):
    await enters(connection)
    with contextlib.suppress(asyncpg.DivisionByZeroError):
        await connection.execute("SELECT 1 / 0")


async def raises(connection):
    await enters(connection)
    raise ZeroDivisionError("after all")


async def wants_to_exit(connection):
    await enters(connection)
    raise SystemExit(3)


async def waits_in_the_database(connection):
    await enters(connection)
    await connection.execute("SELECT pg_sleep(60)")


async def waits_in_the_program(connection):
    await enters(connection)
    await anyio.sleep(60)


async def rolls_back(connection):
    await enters(connection)
    await connection.execute("ROLLBACK")


async def begins_another(connection):
    await enters(connection)
    await connection.execute("ROLLBACK; BEGIN")


def is_plain(_connection):
    """Do nothing: it is the wrong kind of function."""


async def hands_over(data, ctx):
    ctx.at_checkpoint(globals()[data])
    return data


async def goes_on(data):
    return data


LIMIT = "procactors.stores._on_postgres.GUESTS_S"


@pytest.fixture(autouse=True)
def on_a_slow_machine(monkeypatch):
    """Give functions more time than they have, but where that is what a test is about."""
    monkeypatch.setattr(LIMIT, 60)


@pytest.fixture
async def manager(postgres):
    url = postgres.url(f"guests{next(_schemas)}")
    dsn, _, schema = url.partition("&schema=")
    async with ProcessManager(url) as m:
        m.other = await asyncpg.connect(dsn, server_settings={"search_path": schema})
        try:
            await m.other.execute("CREATE TABLE ledger (entry TEXT)")
            yield m
        finally:
            await m.other.close()


async def ledger(m):
    return [row["entry"] for row in await m.other.fetch("SELECT entry FROM ledger")]


@pytest.mark.parametrize(
    "function", [enters, enters_within_a_transaction_of_its_own, undoes_a_part, looks_elsewhere]
)
async def test_what_it_writes_is_committed_with_the_checkpoint(manager, function):
    handle = await manager.start(Process("p", [hands_over, goes_on]), function.__name__)
    await handle.result()
    assert await ledger(manager) == ["entered"]


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (hides_an_error, "InFailedSQLTransactionError"),
        (raises, "ZeroDivisionError: after all"),
        (wants_to_exit, "SystemExit: 3"),
        (rolls_back, "neither commit nor roll back"),
        (begins_another, "neither commit nor roll back"),
        (is_plain, "an async one with a store in PostgreSQL"),
    ],
)
async def test_an_error_fails_the_attempt_and_spares_the_batch(manager, function, match):
    bad = await manager.start(Process("bad", [hands_over]), function.__name__)
    good = [await manager.start(Process("good", [hands_over]), "enters") for _ in range(5)]
    with pytest.raises(ProcessFailedError, match=match):
        await bad.result()
    for handle in good:
        await handle.result()
    assert await ledger(manager) == ["entered"] * 5
    assert only(await history(manager, bad.pid), "StepFinished") == []


@pytest.mark.parametrize("function", [waits_in_the_database, waits_in_the_program])
async def test_what_takes_too_long_is_undone(manager, function, monkeypatch):
    monkeypatch.setattr(LIMIT, 0.25)
    handle = await manager.start(Process("p", [hands_over]), function.__name__)
    with pytest.raises(ProcessFailedError, match="250 ms"):
        await handle.result()
    assert await ledger(manager) == []
