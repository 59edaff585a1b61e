"""Stores that are none: each gets a clear error of the project's own class, and nothing is spoilt."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import anyio
import pytest

from procactors import (
    InvalidStoreError,
    Process,
    ProcessManager,
    SchemaTooNewError,
    StoreUnavailableError,
)
from procactors.options import ManagerOptions
from tests.behaviour.steps import echo

P = Process("p", [echo])
HASTY = ManagerOptions(store_patience_s=0.3)


async def use(url, **options):
    async with ProcessManager(url, **options) as manager:
        return await (await manager.start(P, {"x": 1})).result()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.db",
        "sqlite",
        "sqlite:",
        "sqlite:app.db",
        "sqlite:/one/slash.db",
        "sqlite://",
        "mysql://host/db",
        "sqlite:///",
        "http://example.org",
        "sqlite:///a.db?synchronous=MAYBE",
        "sqlite:///a.db?colour=red",
        "sqlite://host/a.db",
    ],
)
async def test_a_url_that_names_no_store_is_refused(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidStoreError) as caught:
        await use(url)
    assert str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", [None, 7])
async def test_what_is_no_text_is_no_url(url):
    with pytest.raises((InvalidStoreError, TypeError)):
        await use(url)


async def test_a_relative_and_an_absolute_url_name_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert await use("sqlite:///relative.db") == {"x": 1}
    assert (tmp_path / "relative.db").exists()
    assert await use(f"sqlite:///{tmp_path}/absolute.db?synchronous=NORMAL") == {"x": 1}
    assert (tmp_path / "absolute.db").exists()


async def test_a_file_with_a_strange_name_is_used(tmp_path):
    for name in ("with space.db", "ümläut.db", "per%cent.db", "a#b.db"):
        assert await use(f"sqlite:///{tmp_path}/{name}") == {"x": 1}
        async with ProcessManager(f"sqlite:///{tmp_path}/{name}") as manager:
            assert len(await manager.list()) == 1


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"my notes", b"SQLite format 3\0 but then rubbish" * 99]
)
async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(InvalidStoreError, match=r"notes\.txt"):
        await use(f"sqlite:///{path}")
    assert path.read_bytes() == content


async def test_an_empty_file_is_an_empty_store(tmp_path):
    (tmp_path / "a.db").write_bytes(b"")
    assert await use(f"sqlite:///{tmp_path}/a.db") == {"x": 1}


async def test_a_folder_is_no_file(tmp_path):
    with pytest.raises((InvalidStoreError, StoreUnavailableError)):
        await use(f"sqlite:///{tmp_path}", options=HASTY)


async def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises((InvalidStoreError, StoreUnavailableError), match="missing"):
        await use(f"sqlite:///{tmp_path}/missing/a.db", options=HASTY)


async def test_the_file_may_be_the_applications_own(tmp_path):
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE pages (title TEXT)")
        connection.execute("INSERT INTO pages VALUES ('one')")
        connection.execute("PRAGMA user_version = 42")
    connection.close()
    assert await use(f"sqlite:///{path}") == {"x": 1}
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM pages").fetchall() == [("one",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (42,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    assert all(name == "pages" or name.startswith(("procactors_", "sqlite_")) for name in names)


def version_table(path):
    """Return name and column of the table that holds the version of the schema."""
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for column in connection.execute(f"PRAGMA table_info({table})"):
            if "version" in column[1] and table.startswith("procactors_"):
                connection.close()
                return table, column[1]
    raise AssertionError(f"no table holds the version: {tables}")


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "a.db"
    await use(f"sqlite:///{path}")
    table, column = version_table(path)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {table} SET {column} = 9999")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNewError, match="9999"):
        await use(f"sqlite:///{path}")
    with pytest.raises(SchemaTooNewError):
        await use(f"sqlite:///{path}", run=False)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM procactors_processes").fetchone() == (1,)
    connection.close()


async def test_a_database_that_is_locked_refuses_a_start_in_time_and_loses_nothing(tmp_path):
    path = tmp_path / "a.db"
    async with ProcessManager(f"sqlite:///{path}", options=HASTY) as manager:
        first = await manager.start(P, {"x": 1})
        await first.result()
        with sqlite3.connect(path) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError):
                await manager.start(P, {"x": 2})
            blocker.rollback()
        blocker.close()
        third = None
        while third is None:  # on a busy machine the disk may need more than one hasty try
            with contextlib.suppress(StoreUnavailableError):
                third = await manager.start(P, {"x": 3}, key="third")
        assert await third.result() == {"x": 3}
        assert await first.result() == {"x": 1}


async def test_a_step_that_finishes_while_the_database_is_locked_is_not_lost(tmp_path):
    path = tmp_path / "a.db"
    async with ProcessManager(f"sqlite:///{path}", options=HASTY, services={"path": path}) as manager:
        handle = await manager.start(Process("p", {"a": locks_the_database, "b": echo}))
        assert await handle.result() == {"locked": True}


LOCKS = []


async def locks_the_database(data, ctx):
    """End while somebody else holds the write lock, and let go of it a second later."""
    connection = sqlite3.connect(ctx.services["path"], check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")

    def let_go():
        connection.rollback()
        connection.close()

    threading.Timer(1, let_go).start()
    return {"locked": True}


async def test_a_failed_opening_leaves_nothing_and_may_be_tried_again(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"rubbish" * 100)
    manager = ProcessManager(f"sqlite:///{path}")
    with pytest.raises(InvalidStoreError):
        await manager.open()
    await manager.close()
    path.unlink()
    await manager.open()
    assert await (await manager.start(P, {"x": 1})).result() == {"x": 1}
    await manager.close()


@pytest.mark.parametrize("bad", ["", "rubbish", "missing/a.db"])
def test_a_failed_opening_is_over_when_it_raises(tmp_path, monkeypatch, bad):
    """A program that ends its event loop right after it gets no error out of a forgotten thread."""
    errors = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 100)
    threads = set(threading.enumerate())
    for _ in range(10):
        with pytest.raises(StoreUnavailableError):
            anyio.run(use, f"sqlite:///{tmp_path}/{bad}")
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)
    assert [str(error.exc_value) for error in errors] == []


@pytest.mark.parametrize("limit", [None, 1], ids=["without limits", "with a limit"])
@pytest.mark.parametrize("change", ['replace(body, \'"call"\', \'"future": 1, "call"\')', "'{'"])
async def test_a_process_that_can_not_be_read_hinders_no_other(tmp_path, change, limit, caplog):
    url = f"sqlite:///{tmp_path}/app.db"
    async with ProcessManager(url, run=False) as client:
        bad = await client.start(P)
        with sqlite3.connect(tmp_path / "app.db") as connection:
            connection.execute(f"UPDATE procactors_events SET body = {change}")
        connection.close()
        good = await client.start(P, {"x": 1})
        other = await client.start(Process("q", [echo], max_running=limit), {"x": 2})
        async with ProcessManager(url, max_running=1) as m:
            assert [await good.result(), await other.result()] == [{"x": 1}, {"x": 2}]
            assert {info.pid for info in await m.list()} == {good.pid, other.pid}
        for call in (bad.info, bad.cancel, bad.result):
            with pytest.raises(InvalidStoreError, match="can't be read") as caught:
                await call()
            assert caught.value.pid == bad.pid
    assert [record for record in caplog.records if bad.pid in record.getMessage()]
