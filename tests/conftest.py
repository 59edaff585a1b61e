"""What every test gets: a loop that aiosqlite can use, unless it asks for more; PostgreSQL if it asks."""

from __future__ import annotations

import gc

import hypothesis.core  # noqa: F401 - it looks at the heap when it is imported, and must see all of it
import pytest
import uvloop

from tests.leaks import nothing_is_left_behind  # noqa: F401 - of every test
from tests.postgres import postgres_server

uvloop.new_event_loop().close()  # the first opens a pipe that the others use, and is never closed

pytest.register_assert_rewrite("procactors.testing.store_contract")


def pytest_collection_finish():
    """Leave what was imported and collected out of the collections to come: many tests end with one."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for all tests that leave it running; each uses a schema of its own."""
    with postgres_server() as server:
        yield server
