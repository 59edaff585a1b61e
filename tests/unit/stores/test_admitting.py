"""What a claim costs beside many that it may not take: counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

import sqlite3

import pytest

from procactors.stores._admitting import ALL, admitted, gates_at
from procactors.stores._migrate import migrate_sqlite
from procactors.stores._on_sqlite import converse

NOW = 1000.0


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate_sqlite(connection, 0.0, "here")
    yield connection
    connection.close()


def queued(connection, name, number, *, rank, parent=None):
    first = connection.execute("SELECT count(*) FROM procactors_processes").fetchone()[0] + 1
    connection.executemany(
        "INSERT INTO procactors_processes (id, pid, name, status, epoch, due_at, rank, parent, created_at,"
        " state) VALUES (?, ?, ?, 'queued', 1, ?, ?, ?, 0, '{}')",
        [(first + n, f"{first + n:032x}", name, rank, rank, parent) for n in range(number)],
    )


def paused(connection, name):
    connection.execute("INSERT INTO procactors_queues (name, paused_at) VALUES (?, 0)", (name,))


def claimed(connection, limit):
    """Return what may be taken up, and the steps that it took to find out."""
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    connection.set_progress_handler(count, 1)
    gates = converse(connection, gates_at(NOW))
    found = converse(connection, admitted(gates, NOW, [], limit))
    connection.set_progress_handler(None, 1)
    return found, steps


def test_the_best_of_all_names_that_are_not_paused_come_first(connection):
    queued(connection, "a", 2, rank=5)
    queued(connection, "b", 2, rank=1)
    queued(connection, "c", 2, rank=3)
    queued(connection, "a", 1, rank=2)
    paused(connection, "b")
    assert claimed(connection, 3)[0] == [7, 5, 6]
    assert claimed(connection, 9)[0] == [7, 5, 6, 1, 2]


def test_when_all_are_paused_the_children_of_others_come_first_that_are_not_paused_themselves(connection):
    queued(connection, "a", 2, rank=1)
    queued(connection, "a", 2, rank=2, parent=99)
    queued(connection, "b", 2, rank=1, parent=99)
    paused(connection, ALL)
    assert claimed(connection, 9)[0] == [5, 6, 3, 4]
    paused(connection, "b")
    assert claimed(connection, 9)[0] == [3, 4]


@pytest.mark.parametrize(("pause", "found"), [("many", 5), (ALL, 0)])
def test_a_claim_takes_no_longer_for_all_that_is_paused(connection, pause, found):
    paused(connection, pause)
    queued(connection, "few", 5, rank=2)
    queued(connection, "many", 20, rank=1)
    few, steps_beside_few = claimed(connection, 64)
    queued(connection, "many", 2000, rank=1)
    many, steps_beside_many = claimed(connection, 64)
    assert len(few) == len(many) == found
    assert steps_beside_many < 1.5 * steps_beside_few
