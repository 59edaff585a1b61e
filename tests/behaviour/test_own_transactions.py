"""`ctx.tx`: what a step writes itself is committed with its checkpoint, in PostgreSQL."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import anyio
import asyncpg
import pytest

from procactors import (
    InvalidStateError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessManager,
    ProcessTimedOutError,
    Retry,
    Step,
    run_steps,
)
from tests.behaviour.history import history, only, until_true

_schemas = itertools.count()


async def books(data, ctx):
    async with ctx.tx as connection:
        await connection.execute("INSERT INTO ledger VALUES ($1)", data["entry"])
        balance = await connection.fetchval("SELECT count(*) FROM ledger")
    return {**data, "balance": balance}


async def goes_on(data):
    return data


async def books_and_fails_at_first(data, ctx):
    await books(data, ctx)
    if ctx.attempt == 1:
        raise OSError("after all")
    return data


async def books_and_undoes_a_part(data, ctx):
    await books(data, ctx)
    try:
        async with ctx.tx as connection:
            await connection.execute("INSERT INTO ledger VALUES ('undone')")
            await connection.execute("INSERT INTO nowhere VALUES (1)")
    except asyncpg.UndefinedTableError:
        return data


async def books_and_waits(data, ctx):
    await books(data, ctx)
    ctx.services["booked"].set()
    await anyio.sleep_forever()


async def books_and_returns_when_its_time_is_up(data, ctx):
    await books(data, ctx)
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        return data  # as a step that ends at the very moment of its deadline


async def books_what_can_not_be_committed(data, ctx):
    async with ctx.tx as connection:
        await connection.execute("INSERT INTO pairs VALUES (1), (1)")
    return data


async def books_in_two_tasks(data, ctx):
    async with anyio.create_task_group() as tasks:
        for entry in ("one", "two"):
            tasks.start_soon(books, {"entry": entry}, ctx)
    return data


async def books_under_an_epoch_that_is_over(data, ctx):
    async with ctx.tx as connection:
        await connection.execute("INSERT INTO ledger VALUES ('never')")
    other = ctx.services["other"]
    await other.execute("UPDATE procactors_processes SET epoch = epoch + 1")
    return data


async def loses_its_connection_at_first(data, ctx):
    async with ctx.tx as connection:
        await connection.execute("INSERT INTO ledger VALUES ($1)", data["entry"])
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    if ctx.attempt == 1:
        await ctx.services["other"].fetchval("SELECT pg_terminate_backend($1)", backend)
    return data


async def loses_the_answer_to_its_commit(data, ctx):
    await books(data, ctx)
    if ctx.attempt == 1:
        lose_answer(ctx.tx.begun, is_committed=data["is_committed"])
    return data


def lose_answer(transaction, *, is_committed):
    """Let its connection break in the middle of the commit: when that is done, or before."""
    commit = transaction._transaction.commit

    async def break_off():
        if is_committed:
            await commit()
        transaction.drop()
        raise ConnectionResetError("broken off")

    transaction._transaction = SimpleNamespace(commit=break_off)


async def lends_its_context(data, ctx):
    ctx.services["lent"].append((ctx, ctx.tx))
    return data


def books_from_a_thread(data, ctx):
    return ctx.tx


@pytest.fixture
def url(postgres):
    return postgres.url(f"own{next(_schemas)}")


@pytest.fixture
async def manager(url):
    services = {"booked": anyio.Event(), "lent": []}
    async with ProcessManager(url, services=services) as m:
        dsn, _, schema = url.partition("&schema=")
        services["other"] = await asyncpg.connect(dsn, server_settings={"search_path": schema})
        try:
            await services["other"].execute("CREATE TABLE ledger (entry TEXT)")
            await services["other"].execute(
                "CREATE TABLE pairs (one INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)"
            )
            m.other = services["other"]
            m.services = services
            yield m
        finally:
            await services["other"].close()


async def ledger(m):
    return [row["entry"] for row in await m.other.fetch("SELECT entry FROM ledger ORDER BY entry")]


async def test_what_a_step_writes_is_committed_with_its_checkpoint(manager):
    handle = await manager.start(Process("p", [books, goes_on]), {"entry": "one"})
    assert (await handle.result())["balance"] == 1
    assert await ledger(manager) == ["one"]
    assert len(only(await history(manager, handle.pid), "StepFinished")) == 2


async def test_an_attempt_that_fails_writes_nothing(manager):
    step = Step("book", books_and_fails_at_first, retry=Retry(delay=0))
    await (await manager.start(Process("p", [step]), {"entry": "one"})).result()
    assert await ledger(manager) == ["one"]


async def test_a_block_that_raises_is_undone_by_itself(manager):
    await (await manager.start(Process("p", [books_and_undoes_a_part]), {"entry": "one"})).result()
    assert await ledger(manager) == ["one"]


async def test_a_step_that_is_cancelled_writes_nothing(manager):
    handle = await manager.start(Process("p", [books_and_waits]), {"entry": "never"})
    await manager.services["booked"].wait()
    await handle.cancel()
    with pytest.raises(ProcessCancelledError):
        await handle.result()
    assert await ledger(manager) == []


async def test_a_step_that_returns_when_its_process_times_out_writes_nothing(manager):
    handle = await manager.start(
        Process("p", [books_and_returns_when_its_time_is_up], timeout=2), {"entry": "one"}
    )
    with pytest.raises(ProcessTimedOutError):
        await handle.result()
    assert await ledger(manager) == []

    async def is_left():
        return not await manager.other.fetchval(STILL_OPEN)

    await until_true(is_left)


STILL_OPEN = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"


async def test_what_can_not_be_committed_fails_the_attempt(manager):
    handle = await manager.start(Process("p", [books_what_can_not_be_committed]))
    with pytest.raises(ProcessFailedError, match="UniqueViolationError"):
        await handle.result()
    assert only(await history(manager, handle.pid), "StepFinished") == []


async def test_tasks_of_a_step_take_turns(manager):
    await (await manager.start(Process("p", [books_in_two_tasks]))).result()
    assert await ledger(manager) == ["one", "two"]


async def test_who_has_lost_the_process_writes_nothing(manager):
    handle = await manager.start(Process("p", [books_under_an_epoch_that_is_over]))
    async with handle.subscribe() as events:
        async for event in events:
            if type(event).__name__ == "ProcessRecovered":
                break
    assert await ledger(manager) == []


async def test_an_attempt_that_loses_its_connection_fails_and_is_made_again(manager):
    step = Step("book", loses_its_connection_at_first, retry=Retry(delay=0))
    await (await manager.start(Process("p", [step]), {"entry": "one"})).result()
    assert await ledger(manager) == ["one"]


FAILED_ONCE = ["StepFailed", "StepRetryScheduled", "ProcessResumed", "StepStarted"]


@pytest.mark.parametrize(("is_committed", "between"), [(True, []), (False, FAILED_ONCE)])
async def test_it_is_found_out_what_became_of_a_commit_without_an_answer(manager, is_committed, between):
    step = Step("book", loses_the_answer_to_its_commit, retry=Retry(delay=0))
    handle = await manager.start(
        Process("p", [step, goes_on]), {"entry": "one", "is_committed": is_committed}
    )
    await handle.result()
    assert await ledger(manager) == ["one"]
    kinds = [type(event).__name__ for event in await history(manager, handle.pid)]
    begun, last = ["ProcessQueued", "ProcessStarted", "StepStarted"], ["StepFinished", "ProcessFinished"]
    assert kinds == [*begun, *between, "StepFinished", "StepStarted", *last]


async def test_a_step_that_is_over_can_write_no_more(manager):
    await (await manager.start(Process("p", [lends_its_context]))).result()
    ((ctx, transaction),) = manager.services["lent"]
    with pytest.raises(InvalidStateError, match="is over"):
        ctx.tx  # noqa: B018 - it is refused
    with pytest.raises(InvalidStateError, match="is over"):
        async with transaction:
            pass


async def test_a_thread_can_not_have_one(manager):
    handle = await manager.start(Process("p", [books_from_a_thread]))
    with pytest.raises(ProcessFailedError, match="runs in a thread"):
        await handle.result()


async def test_a_store_in_a_file_says_what_to_do_instead(tmp_path):
    async with ProcessManager(f"sqlite:///{tmp_path}/app.db") as m:
        handle = await m.start(Process("p", [books]), {"entry": "one"})
        with pytest.raises(ProcessFailedError, match="at_checkpoint"):
            await handle.result()


async def test_steps_in_place_have_no_checkpoint():
    with pytest.raises(ProcessFailedError, match="run_steps stores nothing"):
        await run_steps([books], {"entry": "one"})
