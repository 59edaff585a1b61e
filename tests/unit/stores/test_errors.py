"""What sqlite3 raises, and what it is called here."""

from __future__ import annotations

import sqlite3

import pytest

from procactors import InvalidDataError, InvalidStoreError, StoreUnavailableError
from procactors.stores._errors import Translated


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (sqlite3.OperationalError("database is locked"), StoreUnavailableError),
        (sqlite3.OperationalError("database or disk is full"), StoreUnavailableError),
        (sqlite3.DatabaseError("file is not a database"), InvalidStoreError),
        (sqlite3.OperationalError("no such table: procactors_events"), InvalidStoreError),
        (sqlite3.OperationalError("table procactors_events has no column named body"), InvalidStoreError),
        (sqlite3.IntegrityError("UNIQUE constraint failed: procactors_processes.pid"), InvalidDataError),
        (sqlite3.DataError("string or blob too big"), InvalidDataError),
    ],
)
def test_an_error_says_what_can_be_done_and_where(raised, kind):
    with pytest.raises(kind, match=r"app\.db") as caught, Translated("sqlite:///app.db"):
        raise raised
    assert type(caught.value) is kind
    assert caught.value.__cause__ is raised
