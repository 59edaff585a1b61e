"""A start within an application's transaction, while others write to the same file."""

from __future__ import annotations

import sqlite3

import pytest

from procactors.stores._migrate import migrate_sqlite
from procactors.stores._on_sqlite import nest
from procactors.stores._talk import One

WRITE = "UPDATE procactors_managers SET name = name"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate_sqlite(connection, 0, "sqlite:///app.db")
    connection.close()
    return path


@pytest.mark.parametrize("begin", [None, "BEGIN"])
def test_nobody_writes_between_what_it_reads_and_what_it_writes(path, begin):
    mine, other = sqlite3.connect(path), sqlite3.connect(path, timeout=0)
    refused = []

    def talk():
        yield One("managers")
        with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
            other.execute(WRITE)
        refused.append(caught.value)
        mine.execute(WRITE)
        return "stored"

    if begin:
        mine.execute(begin)
    assert nest(mine, talk()) == "stored"
    assert refused
    mine.commit()
    other.execute(WRITE)
    mine.close()
    other.close()
