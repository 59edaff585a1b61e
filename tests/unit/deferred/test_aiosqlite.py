import sqlite3
from contextlib import suppress

import aiosqlite
import pytest

from procactors.deferred import (
    AtomicSectionUpdate,
    AutoCommitUpdate,
    CallableUpdate,
    DeferredUpdates,
    Report,
    TransactionRoundDefiningUpdate,
    defer,
    deferred_scope,
)
from procactors.deferred._transactions import transactions_of
from procactors.deferred.aiosqlite import AiosqliteTransactions, adapter_of


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def connection(tmp_path):
    async with aiosqlite.connect(tmp_path / "app.db") as connection:
        await connection.execute("CREATE TABLE rows (text UNIQUE ON CONFLICT ROLLBACK)")
        yield connection


@pytest.fixture
def committed(tmp_path):
    async def committed():
        async with aiosqlite.connect(tmp_path / "app.db") as other:
            return [text for (text,) in await other.execute_fetchall("SELECT text FROM rows ORDER BY rowid")]

    return committed


def writing(connection, name, error=None):
    async def write(*_):
        await connection.execute("INSERT INTO rows VALUES (?)", (name,))
        if error is not None:
            raise error

    return write


async def test_each_update_has_a_transaction_of_its_own(connection, committed, caplog):
    updates = DeferredUpdates(AiosqliteTransactions(connection))
    updates.add_callable(writing(connection, "a"))
    updates.add_callable(writing(connection, "b", ValueError("x")))
    updates.add_callable(writing(connection, "c"))
    assert await updates.run() == Report(ran=2, failed=1)
    assert await committed() == ["a", "c"]
    assert not connection.in_transaction


async def test_round_defining_update_commits_as_it_likes(connection, committed):
    async def two_transactions():
        await writing(connection, "a")()
        await connection.rollback()
        await writing(connection, "b")()

    updates = DeferredUpdates(connection)
    updates.add(TransactionRoundDefiningUpdate(two_transactions))
    await updates.run()
    assert await committed() == ["b"]


async def test_auto_commit_survives_its_failure_and_atomic_does_not(connection, committed, caplog):
    async def two(db):
        assert db is connection
        await writing(db, "one")()
        await writing(db, "two")()
        raise ValueError("x")

    updates = DeferredUpdates(connection)
    updates.add(AtomicSectionUpdate(connection, two))
    updates.add(AutoCommitUpdate(connection, two))
    updates.add(AtomicSectionUpdate(connection, writing(connection, "three")))
    assert await updates.run() == Report(ran=1, failed=2)
    assert await committed() == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda c: c.commit(), ["after", "not cancelled"]),
        (lambda c: c.execute("COMMIT"), ["after", "not cancelled"]),
        (lambda c: c.execute("end transaction"), ["after", "not cancelled"]),
        (lambda c: c.rollback(), []),
        (lambda c: c.execute(" rollback"), []),
        (lambda c: c.close(), []),
    ],
)
async def test_end_of_a_transaction_is_seen_whoever_makes_it(connection, log, end, expected):
    async with deferred_scope(opportunistic=False):
        await writing(connection, "a")()
        defer(log.append, "after", after_commit=connection)
        defer(log.append, "not cancelled", cancel_on_rollback=[connection])
        await end(connection)
    assert log == expected


async def test_conflict_that_rolls_back_is_seen(connection, log):
    async with deferred_scope(opportunistic=False):
        await writing(connection, "a")()
        defer(log.append, "dropped", after_commit=connection)
        with pytest.raises(sqlite3.IntegrityError):
            await writing(connection, "a")()
        assert not connection.in_transaction
    assert log == []


async def test_failure_that_leaves_the_transaction_open_resolves_nothing(connection, log):
    async with deferred_scope(opportunistic=False):
        await writing(connection, "a")()
        defer(log.append, "after", after_commit=connection)
        with pytest.raises(sqlite3.OperationalError):
            await connection.execute("no statement")
        await connection.commit()
    assert log == ["after"]


async def test_savepoint_that_rolls_back_drops_what_was_added_in_it(connection, log):
    async with deferred_scope(opportunistic=False):
        await writing(connection, "a")()
        await connection.execute("SAVEPOINT one")
        defer(log.append, "in released", after_commit=connection)
        await connection.execute("RELEASE SAVEPOINT One;")
        await connection.execute('SAVEPOINT "two"')
        defer(log.append, "in rolled back", after_commit=connection)
        await connection.execute("SAVEPOINT three")
        defer(log.append, "deep in rolled back", after_commit=connection)
        await connection.execute("ROLLBACK TRANSACTION TO SAVEPOINT two")
        defer(log.append, "again in two", after_commit=connection)
        await connection.execute("RELEASE two")
        with pytest.raises(sqlite3.OperationalError):
            await connection.execute("RELEASE unknown")
        await connection.commit()
    assert log == ["in released", "again in two"]


@pytest.mark.parametrize(("ending", "expected"), [("ROLLBACK TO one", []), ("RELEASE one", ["in one"])])
async def test_savepoint_that_was_open_before_anything_was_deferred_counts_too(
    connection, log, ending, expected
):
    async with deferred_scope(opportunistic=False):
        await writing(connection, "a")()
        await connection.execute("SAVEPOINT one")
        defer(log.append, "in one", after_commit=connection)
        await connection.execute(ending)
        defer(log.append, "after", after_commit=connection)
        await connection.commit()
    assert log == [*expected, "after"]


async def test_outermost_savepoint_commits_when_it_is_released(connection, log):
    async with deferred_scope(opportunistic=False):
        await connection.execute("SAVEPOINT outer")
        await writing(connection, "a")()
        defer(log.append, "after", after_commit=connection)
        await connection.execute("RELEASE outer")
        assert not connection.in_transaction
    assert log == ["after"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("executemany", ["INSERT INTO rows VALUES (?)", [("new",), ("taken",)]]),
        ("execute_insert", ["INSERT INTO rows VALUES ('taken')"]),
        ("execute_fetchall", ["INSERT INTO rows VALUES ('taken') RETURNING text"]),
    ],
)
async def test_conflict_is_seen_by_whichever_method_it_comes(connection, method, arguments):
    await writing(connection, "taken")()
    await connection.commit()
    await writing(connection, "a")()
    update = CallableUpdate(print, cancel_on_rollback=[connection])
    with pytest.raises(sqlite3.IntegrityError):
        await getattr(connection, method)(*arguments)
    assert (update.is_cancelled, connection.in_transaction) == (True, False)


@pytest.mark.parametrize("script", ["SELECT 1; SELECT 2;", "SELECT 1; nonsense;", "ROLLBACK;"])
async def test_script_commits_what_is_open_before_it(connection, committed, script):
    await connection.execute("BEGIN")
    await writing(connection, "a")()
    update = CallableUpdate(print, cancel_on_rollback=[connection])
    with suppress(sqlite3.OperationalError):
        await connection.executescript(script)
    assert (update.open_transactions, update.is_cancelled) == (0, False)
    assert await committed() == ["a"]


async def test_auto_commit_is_for_many_rows_at_once_too(connection, committed):
    seen = []

    async def write(db):
        await db.executemany("INSERT INTO rows VALUES (?)", [("a",), ("b",)])
        seen.extend(await committed())

    updates = DeferredUpdates(connection)
    updates.add(AutoCommitUpdate(connection, write))
    await updates.run()
    assert seen == ["a", "b"]


async def test_connection_works_as_before_and_has_one_adapter(connection):
    assert transactions_of(connection) is adapter_of(connection)
    async with connection.execute("SELECT ?", (5,)) as cursor:
        assert await cursor.fetchone() == (5,)
    cursor = await connection.execute(sql="SELECT 6")
    assert await cursor.fetchone() == (6,)
    async with connection.execute_fetchall("SELECT ?", parameters=(7,)) as rows:
        assert list(rows) == [(7,)]
    await connection.execute_insert("INSERT INTO rows VALUES ('a')")
    await connection.executescript(sql_script="DELETE FROM rows;")
    assert await connection.execute_fetchall("SELECT text FROM rows") == []


async def test_closed_connection_is_in_no_transaction(connection, log):
    transactions = AiosqliteTransactions(connection)
    await connection.close()
    assert not transactions.in_transaction()
    transactions.on_resolution(log.append)
    await transactions.commit()
    await transactions.rollback()
    assert log == [True]
