"""How SQLite goes about the queries for lists: by the index that is meant, not through all processes."""

from __future__ import annotations

import re
import sqlite3

import pytest

from procactors._clock import SystemClock
from procactors.stores._migrate import migrate_sqlite
from procactors.stores._queries import queries_of

INDEXES = {
    "records_listed": {"PRIMARY KEY"},
    "records_of_statuses": {"_status"},
    "records_of_names": {"_name"},
    "records_of_parent": {"_parent", "autoindex"},
    "records_found": {"_name", "_tags", "_key", "_status", "autoindex"},
    "place_of": {"autoindex"},
    "names": {"_name"},
    "due": {"_rank"},
    "due_of_names": {"_rank_of_name"},
    "due_children": {"_rank_of_children"},
    "oldest_due": {"_due", "_status"},
    "running": {"_owner"},
    "deferred_failures": {"_events_deferred"},
    "count_alive": {"_name"},
    "count_by_status": {"_status"},
}
COUNTS = {"count_alive", "count_by_status"}  # go through all of an index, but of nothing else
OWN_INDEX = {"deferred_failures", "due", "due_children"}  # have an index that holds nothing else


@pytest.mark.parametrize("name", INDEXES)
def test_lists_are_read_from_the_indexes_that_are_meant(name):
    connection = sqlite3.connect(":memory:")
    migrate_sqlite(connection, SystemClock().wall(), "here")
    sql = queries_of("sqlite")[name]
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    values = [None] * (max(numbered) if numbered else sql.count("?"))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    looks = [line for line in plan if re.match(r"(SEARCH|SCAN) (procactors_(processes|tags)|[pe]) ", line)]
    looks = [line for line in looks if line != "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"]
    assert looks
    for line in looks:
        assert any(index in line for index in INDEXES[name]), plan
        assert line.startswith("SEARCH") or name in COUNTS | OWN_INDEX, plan
        assert name not in COUNTS or "COVERING" in line, plan
