import pytest
from anyio import wait_all_tasks_blocked

sqlalchemy = pytest.importorskip("sqlalchemy")

from sqlalchemy import select, text  # noqa: E402 - after the check that it is there
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: E402 - the same
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column  # noqa: E402 - the same

from procactors.deferred import (  # noqa: E402 - the same
    AtomicSectionUpdate,
    AutoCommitUpdate,
    CallableUpdate,
    DeferredScheduler,
    DeferredUpdates,
    Report,
    Stage,
    defer,
    deferred_scope,
)
from procactors.deferred._transactions import transactions_of  # noqa: E402 - the same
from procactors.deferred.sqlalchemy import SQLAlchemyTransactions, adapter_of  # noqa: E402 - the same


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def engine(tmp_path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'app.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
async def session(engine):
    async with AsyncSession(engine) as session:
        yield session


@pytest.fixture
def committed(engine):
    async def committed():
        async with engine.connect() as connection:
            return list(await connection.scalars(select(Row.text).order_by(Row.id)))

    return committed


def writing(session, name, error=None):
    async def write(*_):
        session.add(Row(text=name))
        await session.flush()
        if error is not None:
            raise error

    return write


async def test_each_update_has_a_transaction_of_its_own(session, committed, caplog):
    updates = DeferredUpdates(session)
    updates.add_callable(writing(session, "a"))
    updates.add_callable(writing(session, "b", ValueError("x")))
    updates.add_callable(writing(session, "c"))
    assert await updates.run() == Report(ran=2, failed=1)
    assert await committed() == ["a", "c"]
    assert not session.in_transaction()


async def test_what_is_only_added_to_the_session_is_committed_too(session, committed):
    updates = DeferredUpdates(session)
    updates.add_callable(lambda: session.add(Row(text="a")))
    await updates.run()
    assert await committed() == ["a"]


async def test_transaction_that_has_only_read_is_not_in_the_way(session, committed):
    updates = DeferredUpdates(session)
    await session.execute(select(Row))
    await session.execute(text("SELECT 1"))
    assert session.in_transaction()
    updates.add_callable(writing(session, "a"))
    assert (await updates.run()).ran == 1
    assert await committed() == ["a"]


@pytest.mark.parametrize("how", ["added", "flushed", "executed", "executed before"])
async def test_changes_that_nobody_has_committed_are_in_the_way(session, committed, caplog, how):
    if how != "executed before":
        SQLAlchemyTransactions(session)
    if how.startswith("executed"):
        await session.execute(text("INSERT INTO rows (text) VALUES ('x')"))
    else:
        session.add(Row(text="x"))
        await session.execute(select(Row))
        if how == "flushed":
            await session.flush()
    updates = DeferredUpdates(session)
    updates.add_callable(writing(session, "refused"))
    updates.add_callable(writing(session, "b"))
    assert await updates.run() == Report(ran=1, failed=1)
    assert await committed() == ["b"]


async def test_round_defining_update_commits_as_it_likes(session, committed):
    from procactors.deferred import TransactionRoundDefiningUpdate  # noqa: PLC0415 - used here only

    async def two_transactions():
        await writing(session, "a")()
        await session.commit()
        await writing(session, "b")()
        await session.rollback()
        await writing(session, "c")()

    updates = DeferredUpdates(session)
    updates.add(TransactionRoundDefiningUpdate(two_transactions))
    await updates.run()
    assert await committed() == ["a", "c"]


async def test_auto_commit_survives_its_failure_and_atomic_does_not(session, committed, caplog):
    async def two(db):
        assert db is session
        await session.execute(text("INSERT INTO rows (text) VALUES ('one')"))
        await session.execute(text("INSERT INTO rows (text) VALUES ('two')"))
        raise ValueError("x")

    updates = DeferredUpdates(session)
    updates.add(AutoCommitUpdate(session, two))
    updates.add(AtomicSectionUpdate(session, two))
    updates.add(AtomicSectionUpdate(session, writing(session, "three")))
    assert await updates.run() == Report(ran=1, failed=2)
    assert await committed() == ["one", "two", "three"]


async def test_commit_makes_eligible_and_rollback_drops(session, log):
    async with deferred_scope(opportunistic=False) as updates:
        await writing(session, "a")()
        defer(log.append, "committed", after_commit=session)
        defer(log.append, "kept", cancel_on_rollback=[session])
        await session.commit()
        await writing(session, "b")()
        defer(log.append, "dropped", after_commit=session)
        defer(log.append, "cancelled", cancel_on_rollback=[session])
        await session.rollback()
        defer(log.append, "no transaction", after_commit=session)
        await updates.run()
    assert log == ["committed", "kept", "no transaction"]


async def test_close_without_commit_drops(session, log):
    async with deferred_scope(opportunistic=False):
        await writing(session, "a")()
        defer(log.append, "dropped", after_commit=session)
        await session.close()
    assert log == []


async def test_savepoint_that_rolls_back_drops_what_was_added_in_it(session, log):
    async with deferred_scope(opportunistic=False):
        await writing(session, "a")()
        async with session.begin_nested():
            await writing(session, "b")()
            defer(log.append, "in released", after_commit=session)
            async with session.begin_nested():
                defer(log.append, "deep in released", after_commit=session)
        savepoint = await session.begin_nested()
        await writing(session, "c")()
        defer(log.append, "in rolled back", after_commit=session)
        defer(log.append, "cancelled", cancel_on_rollback=[session])
        async with session.begin_nested():
            defer(log.append, "released in rolled back", after_commit=session)
        await savepoint.rollback()
        defer(log.append, "after", after_commit=session)
        await session.commit()
    assert log == ["in released", "deep in released", "after"]


async def test_run_before_the_commit_does_not_wait(session, log):
    updates = DeferredUpdates()
    await writing(session, "a")()
    with updates.as_current():
        defer(log.append, "a", stage=Stage.PRESEND, after_commit=session)
    assert await updates.run(Stage.PRESEND) == Report()
    async with DeferredScheduler() as scheduler:
        scheduler.submit(updates)
        await wait_all_tasks_blocked()
        assert log == []
        await session.commit()
        await scheduler.drain()
        assert log == ["a"]


async def test_opportunistic_scope_runs_after_the_commit(session, log, committed):
    async with deferred_scope(transactions=session):
        await writing(session, "a")()
        defer(log.append, "ran")
        await wait_all_tasks_blocked()
        assert log == []
        await session.commit()
        await wait_all_tasks_blocked()
        assert log == ["ran"]


async def test_engine_gets_a_session_of_its_own(engine, committed):
    transactions = SQLAlchemyTransactions(engine)
    updates = DeferredUpdates(transactions)
    updates.add(CallableUpdate(writing(transactions.session, "a")))
    await updates.run()
    assert await committed() == ["a"]
    assert isinstance(transactions_of(engine), SQLAlchemyTransactions)
    await transactions.session.close()


async def test_session_has_one_adapter(session, engine):
    assert adapter_of(session) is adapter_of(session)
    with pytest.raises(TypeError, match="is not an AsyncSession"):
        adapter_of(session.sync_session)


async def test_without_transaction_a_resolution_is_told_at_once(session, log):
    SQLAlchemyTransactions(session).on_resolution(log.append)
    assert log == [True]


async def test_without_a_transaction_there_is_nothing_to_wait_for_and_nothing_to_end(engine):
    told = []
    async with AsyncSession(engine) as session:
        transactions = SQLAlchemyTransactions(session)
        transactions.on_resolution(told.append)
        await transactions.rollback()
        await transactions.commit()
    assert told == [True]


async def test_a_session_in_place_of_a_list_of_databases_is_refused(session):
    with pytest.raises(TypeError, match="a list of databases"):
        CallableUpdate(print, cancel_on_rollback=session)
