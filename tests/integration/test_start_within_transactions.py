"""`start(tx=...)`: in the application's own transaction, with each driver and with SQLAlchemy."""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiosqlite
import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from procactors import (
    InvalidStateError,
    InvalidStoreError,
    KeyConflictError,
    Process,
    ProcessManager,
    UnknownProcessError,
)
from tests.behaviour.steps import echo

PROCESS = Process("p", [echo])


class Lent:
    """A transaction of an application's."""

    def __init__(self, tx, execute, commit, rollback):
        self.tx, self.execute, self.commit, self.rollback = tx, execute, commit, rollback


class Sqlite:
    def __init__(self, folder):
        self.path = folder / "app.db"
        self.url = f"sqlite:///{self.path}"
        self.sqlalchemy_url = f"sqlite+aiosqlite:///{self.path}"

    @asynccontextmanager
    async def driver(self):
        async with aiosqlite.connect(self.path) as connection:
            yield Lent(connection, connection.execute, connection.commit, connection.rollback)


class Postgres:
    def __init__(self, server, schema):
        self.url = server.url(schema)
        self.dsn = self.url.partition("&schema=")[0]
        self.sqlalchemy_url = self.dsn.replace("postgresql://", "postgresql+asyncpg://")

    @asynccontextmanager
    async def driver(self):
        connection = await asyncpg.connect(self.dsn)
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield Lent(connection, connection.execute, transaction.commit, transaction.rollback)
        finally:
            await connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    return Postgres(request.getfixturevalue("postgres"), "within" + tmp_path.name[-20:].lower().strip("_"))


@asynccontextmanager
async def with_session(database):
    engine = create_async_engine(database.sqlalchemy_url)
    async with AsyncSession(engine) as session:
        yield Lent(session, lambda sql: session.execute(text(sql)), session.commit, session.rollback)
    await engine.dispose()


@asynccontextmanager
async def with_connection(database):
    engine = create_async_engine(database.sqlalchemy_url)
    async with engine.connect() as connection:
        yield Lent(connection, lambda s: connection.execute(text(s)), connection.commit, connection.rollback)
    await engine.dispose()


@pytest.fixture(params=["driver", "session", "connection"])
def lent(request, database):
    if request.param == "driver":
        return database.driver
    return lambda: {"session": with_session, "connection": with_connection}[request.param](database)


@pytest.fixture
async def manager(database):
    async with ProcessManager(database.url) as manager:
        yield manager


async def test_the_commit_starts_it_with_what_else_was_written(manager, lent):
    async with lent() as app:
        await app.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER)")
        await app.execute("INSERT INTO orders VALUES (7)")
        handle = await manager.start(PROCESS, {"order": 7}, tx=app.tx)
        with pytest.raises(UnknownProcessError):
            await handle.info()
        await app.commit()
        assert await handle.result() == {"order": 7}


async def test_after_a_rollback_it_never_was(manager, lent):
    async with lent() as app:
        handle = await manager.start(PROCESS, tx=app.tx)
        await app.rollback()
    with pytest.raises(UnknownProcessError):
        await handle.info()
    assert await manager.list() == []


async def test_a_taken_key_leaves_the_transaction_as_it_was(manager, lent):
    first = await manager.start(PROCESS, {"n": 1}, key="k")
    await first.result()
    async with lent() as app:
        await app.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER)")
        assert (await manager.start(PROCESS, {"n": 2}, key="k", tx=app.tx)).pid == first.pid
        with pytest.raises(KeyConflictError):
            await manager.start(PROCESS, {"n": 2}, key="k", on_conflict="raise", tx=app.tx)
        await app.execute("INSERT INTO notes VALUES (1)")
        other = await manager.start(PROCESS, {"n": 3}, key="l", tx=app.tx)
        await app.commit()
        assert await other.result() == {"n": 3}


async def test_a_client_starts_within_a_transaction(manager, database, lent):
    async with ProcessManager(database.url, run=False) as client, lent() as app:
        handle = await client.start(PROCESS, {"from": "client"}, tx=app.tx)
        await app.commit()
        assert await manager.result(handle.pid) == {"from": "client"}


async def test_debounce_by_key(manager, lent):
    """Each start takes the place of the one before that has not begun; only the last one runs."""
    options = {"key": "rebuild", "on_conflict": "replace"}
    handles = []
    for n, delay in enumerate([3600, 3600, 0.01]):
        async with lent() as app:
            handles.append(await manager.start(PROCESS, {"n": n}, tx=app.tx, delay=delay, **options))
            await app.commit()
    assert await handles[-1].result() == {"n": 2}
    assert [(await handle.info()).status for handle in handles] == ["cancelled", "cancelled", "finished"]


async def test_another_database_is_refused(manager, tmp_path):
    async with aiosqlite.connect(tmp_path / "other.db") as other:
        with pytest.raises(InvalidStoreError, match="store's own database"):
            await manager.start(PROCESS, tx=other)
    async with (
        ProcessManager(f"sqlite:///{tmp_path}/third.db"),
        aiosqlite.connect(tmp_path / "third.db") as third,
    ):
        with pytest.raises(InvalidStoreError, match="store's own database"):
            await manager.start(PROCESS, tx=third)
    assert await manager.list() == []


async def test_a_store_in_memory_has_no_transactions_to_share(tmp_path):
    async with ProcessManager("memory://") as manager, aiosqlite.connect(tmp_path / "app.db") as connection:
        with pytest.raises(InvalidStoreError):
            await manager.start(PROCESS, tx=connection)


@pytest.mark.parametrize("tx", [object(), "tx"])
async def test_what_is_no_transaction_is_refused(manager, tx):
    with pytest.raises(InvalidStoreError):
        await manager.start(PROCESS, tx=tx)


async def test_a_connection_that_commits_by_itself_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/app.db"
    async with (
        ProcessManager(url) as manager,
        aiosqlite.connect(tmp_path / "app.db", isolation_level=None) as connection,
    ):
        with pytest.raises(InvalidStateError, match="BEGIN first"):
            await manager.start(PROCESS, tx=connection)
        await connection.execute("BEGIN")
        handle = await manager.start(PROCESS, {"x": 1}, tx=connection)
        await connection.execute("COMMIT")
        assert await handle.result() == {"x": 1}
