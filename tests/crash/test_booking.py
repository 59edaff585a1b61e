"""What a step writes with its checkpoint is written once, however often its program is killed."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter

import pytest

from tests.crash.booking import PROCESSES
from tests.crash.victim import running

STEPS, KILLS = 40, 5
LATE = 10
"""So many more steps go on at most until the kill hits it, and then those that have begun are amid."""


@pytest.mark.slow
async def test_each_booking_is_made_once_however_often_the_program_is_killed(tmp_path):
    seed = int(os.environ.get("BOOKING_SEED", random.SystemRandom().randrange(2**32)))
    print(f"BOOKING_SEED={seed}")  # noqa: T201 - to get the same run again
    rng, database, begun = random.Random(seed), tmp_path / "app.db", Counter()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE bookings (pid TEXT, step TEXT)")
    for number in range(KILLS):
        share = (PROCESSES * STEPS - begun.total()) // (KILLS + 1 - number)
        moment = PROCESSES + rng.randrange(max(1, share))
        async with running("tests.crash.booking", database, STEPS, moment + LATE) as victim:
            await victim.wrote("begin", times=moment)
            await victim.kill()
            assert not victim.noted("done")
            begun.update(tuple(line[2:]) for line in victim.noted("begin"))
    async with running("tests.crash.booking", database, STEPS) as victim:
        assert await victim.ended() == 0, victim.log
        begun.update(tuple(line[2:]) for line in victim.noted("begin"))
    booked = Counter(connection.execute("SELECT pid, step FROM bookings").fetchall())
    connection.close()
    assert booked == dict.fromkeys(begun, 1)
    assert len(booked) == PROCESSES * STEPS
    assert begun.total() > len(begun), "some steps ran again"
