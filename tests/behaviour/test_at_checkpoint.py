"""A step's own writes, committed together with its checkpoint."""

from __future__ import annotations

import sqlite3
import time

import pytest

from procactors import InvalidDefinitionError, Process, ProcessFailedError, Retry, Step, run_steps
from tests.behaviour.history import history, only
from tests.behaviour.steps import note


def create(connection):
    connection.execute("CREATE TABLE IF NOT EXISTS ledger (entry TEXT)")


def enter(connection, entry):
    connection.execute("INSERT INTO ledger VALUES (?)", (entry,))


async def enter_later(connection, entry):
    enter(connection, entry)


async def sets_up(data, ctx):
    ctx.at_checkpoint(create)
    return data


async def books(data, ctx):
    ctx.at_checkpoint(enter, data["entry"])
    ctx.services["probe"].note(data, ctx)
    return data


async def books_and_fails(data, ctx):
    ctx.at_checkpoint(enter, "never")
    raise OSError("after all")


async def books_twice_and_the_second_fails(data, ctx):
    ctx.at_checkpoint(enter, "undone")
    ctx.at_checkpoint(enter, "a", "one argument too many")
    return data


def books_from_a_thread(data, ctx):
    ctx.at_checkpoint(enter, data["entry"])
    return data


async def reads(data, ctx):
    found = []
    ctx.at_checkpoint(lambda connection: found.extend(connection.execute("SELECT entry FROM ledger")))
    ctx.services["probe"].found = found
    return data


async def ends_the_transaction(data, ctx):
    ctx.at_checkpoint(enter, "undone")
    ctx.at_checkpoint(lambda connection: getattr(connection, data["by"])())
    return data


def for_ever(connection):
    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n")


def slow(_connection):
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


def undo_all(connection):
    connection.execute("CREATE TABLE once (entry TEXT UNIQUE)")
    for _ in range(2):
        connection.execute("INSERT OR ROLLBACK INTO once VALUES ('x')")


def want_to_exit(_connection):
    raise SystemExit(3)


async def breaks_all(data, ctx):
    ctx.at_checkpoint(enter, "undone")
    ctx.at_checkpoint({"transaction": undo_all, "program": want_to_exit}[data["what"]])
    return data


async def takes_too_long(data, ctx):
    ctx.at_checkpoint(enter, "undone")
    ctx.at_checkpoint({"sql": for_ever, "python": slow}[data["in"]])
    return data


async def hands_over(data, ctx):
    ctx.at_checkpoint({"coroutine": enter_later, "nothing": None}[data["what"]], "x")


async def ledger(m, probe):
    await (await m.start(Process("read", [reads]))).result()
    return [entry for (entry,) in probe.found]


LIMIT = "procactors.stores._guest.GUESTS_S"


@pytest.fixture(autouse=True)
def on_a_slow_machine(monkeypatch):
    """Give functions more time than they have, but where that is what a test is about."""
    monkeypatch.setattr(LIMIT, 60)


@pytest.fixture
async def booked(world, probe):
    async with world.manager() as m:
        await (await m.start(Process("set up", [sets_up]))).result()
        yield m


@pytest.mark.parametrize("call", [books, books_from_a_thread])
async def test_what_a_step_writes_is_committed_with_its_checkpoint(booked, probe, call):
    handle = await booked.start(Process("p", {"a": call, "b": note}), {"entry": "one"})
    await handle.result()
    assert await ledger(booked, probe) == ["one"]


async def test_an_attempt_that_fails_writes_nothing(booked, probe):
    handle = await booked.start(Process("p", [books_and_fails]))
    with pytest.raises(ProcessFailedError, match="after all"):
        await handle.result()
    assert await ledger(booked, probe) == []


async def test_an_error_fails_the_attempt_and_undoes_all_of_it(booked, probe):
    handle = await booked.start(Process("p", [books_twice_and_the_second_fails]))
    with pytest.raises(ProcessFailedError, match="TypeError"):
        await handle.result()
    assert await ledger(booked, probe) == []
    assert only(await history(booked, handle.pid), "StepFinished") == []


async def test_an_error_spares_the_batch(booked, probe):
    bad = Process("bad", [books_twice_and_the_second_fails])
    good = Process("good", [books])
    handles = [await booked.start(good if n % 2 else bad, {"entry": str(n)}) for n in range(20)]
    for n, handle in enumerate(handles):
        if n % 2:
            await handle.result()
        else:
            with pytest.raises(ProcessFailedError):
                await handle.result()
    assert sorted(await ledger(booked, probe), key=int) == [str(n) for n in range(1, 20, 2)]


@pytest.mark.parametrize("by", ["commit", "rollback"])
async def test_the_transaction_can_not_be_ended(booked, probe, by):
    handle = await booked.start(Process("p", [ends_the_transaction]), {"by": by})
    with pytest.raises(ProcessFailedError, match="not authorized"):
        await handle.result()
    assert await ledger(booked, probe) == []


@pytest.mark.parametrize(
    ("what", "match"), [("transaction", "UNIQUE constraint"), ("program", "SystemExit: 3")]
)
async def test_what_breaks_more_than_its_own_fails_its_attempt_only(booked, probe, what, match):
    handle = await booked.start(Process("p", [breaks_all]), {"what": what})
    good = [await booked.start(Process("good", [books]), {"entry": str(n)}) for n in range(5)]
    with pytest.raises(ProcessFailedError, match=match):
        await handle.result()
    for other in good:
        await other.result()
    assert sorted(await ledger(booked, probe)) == [str(n) for n in range(5)]


@pytest.mark.parametrize(("where", "match"), [("sql", "interrupted"), ("python", "250 ms")])
async def test_what_takes_too_long_is_undone(booked, probe, where, match, monkeypatch):
    monkeypatch.setattr(LIMIT, 0.25)
    handle = await booked.start(Process("p", [takes_too_long]), {"in": where})
    with pytest.raises(ProcessFailedError, match=match):
        await handle.result()
    monkeypatch.setattr(LIMIT, 60)
    assert await ledger(booked, probe) == []


async def test_a_retry_writes_once(booked, probe):
    probe.failures = 1
    step = Step("a", books_when_it_works, retry=Retry(attempts=2, delay=0.1))
    await (await booked.start(Process("p", [step]), {"entry": "once"})).result()
    assert await ledger(booked, probe) == ["once"]


async def books_when_it_works(data, ctx):
    ctx.at_checkpoint(enter, data["entry"])
    if ctx.attempt == 1:
        raise OSError("not yet")
    return data


@pytest.mark.parametrize("what", ["coroutine", "nothing"])
async def test_what_is_no_plain_function_is_refused(m, what):
    handle = await m.start(Process("p", [hands_over]), {"what": what})
    with pytest.raises(ProcessFailedError, match=r"takes a (plain )?function of a connection"):
        await handle.result()


async def test_in_place_there_is_no_checkpoint():
    with pytest.raises(ProcessFailedError, match="stores nothing") as caught:
        await run_steps({"a": books}, {"entry": "x"})
    assert isinstance(caught.value.__cause__, InvalidDefinitionError)


async def test_the_writes_are_in_the_applications_file(file_world):
    async with file_world.manager() as m:
        await (await m.start(Process("p", {"a": sets_up, "b": books}), {"entry": "here"})).result()
    path = file_world.url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT entry FROM ledger").fetchall() == [("here",)]
    connection.close()
