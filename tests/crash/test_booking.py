"""What a step writes with its checkpoint is written once, however often its program is killed."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from contextlib import closing

import asyncpg
import pytest

from tests.crash.booking import PROCESSES
from tests.crash.victim import running

KILLS = 5
LATE = 10
"""So many more steps go on at most until the kill hits it, and then those that have begun are amid."""


class BookInFile:
    """The application's table, in a SQLite file."""

    steps = 40

    def __init__(self, path):
        self.url, self._path = f"sqlite:///{path}", path

    async def open(self):
        self._do("CREATE TABLE bookings (pid TEXT, step TEXT)")

    async def read(self):
        return self._do("SELECT pid, step FROM bookings")

    def _do(self, statement):
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(statement).fetchall()


class BookInPostgres:
    """The application's table, in the store's schema of a PostgreSQL database."""

    steps = 16  # each connects

    def __init__(self, url):
        self.url = url
        self._dsn, _, self._schema = url.partition("&schema=")

    async def open(self):
        await self._do(f"CREATE SCHEMA {self._schema}; CREATE TABLE bookings (pid TEXT, step TEXT)")

    async def read(self):
        return [tuple(row) for row in await self._do("SELECT pid, step FROM bookings")]

    async def _do(self, statement):
        connection = await asyncpg.connect(self._dsn, server_settings={"search_path": self._schema})
        try:
            return await (
                connection.fetch(statement) if "SELECT" in statement else connection.execute(statement)
            )
        finally:
            await connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def book(request, tmp_path):
    if request.param == "sqlite":
        return BookInFile(tmp_path / "app.db")
    return BookInPostgres(request.getfixturevalue("postgres").url("booking"))


@pytest.mark.slow
async def test_each_booking_is_made_once_however_often_the_program_is_killed(book):
    seed = int(os.environ.get("BOOKING_SEED", random.SystemRandom().randrange(2**32)))
    print(f"BOOKING_SEED={seed}")  # noqa: T201 - to get the same run again
    rng, begun = random.Random(seed), Counter()
    await book.open()
    for number in range(KILLS):
        share = (PROCESSES * book.steps - begun.total()) // (KILLS + 1 - number)
        moment = PROCESSES + rng.randrange(max(1, share))
        async with running("tests.crash.booking", book.url, book.steps, moment + LATE) as victim:
            await victim.wrote("begin", times=moment)
            await victim.kill()
            assert not victim.noted("done")
            begun.update(tuple(line[2:]) for line in victim.noted("begin"))
    async with running("tests.crash.booking", book.url, book.steps) as victim:
        assert await victim.ended() == 0, victim.log
        begun.update(tuple(line[2:]) for line in victim.noted("begin"))
    booked = Counter(await book.read())
    assert booked == dict.fromkeys(begun, 1)
    assert len(booked) == PROCESSES * book.steps
    assert begun.total() > len(begun), "some steps ran again"
