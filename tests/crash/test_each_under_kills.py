"""Five thousand items of one step, killed five times: what is done stays done, what ran is done again."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter

import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.each_driver import MAX_RUNNING
from tests.crash.victim import running

ITEMS, KILLS = 5000, 5
LATE = 50
"""So many more items go on at most until the kill hits it, and then those that have begun are amid."""

CHECKPOINTS = """
    SELECT json_extract(q.body, '$.data') FROM procactors_events e
    JOIN procactors_events q ON q.process = e.process AND q.seq = 1
    WHERE json_extract(e.body, '$.type') = 'StepFinished' AND json_extract(e.body, '$.step') = 'work'"""


def checkpointed(database):
    """The items whose step has finished, one for each StepFinished, read by a connection of its own."""
    connection = sqlite3.connect(database)
    try:
        return Counter(item for (item,) in connection.execute(CHECKPOINTS))
    finally:
        connection.close()


def begun_by(victim):
    return Counter(int(item) for _, _, item in victim.noted("begin"))


@pytest.mark.slow
async def test_each_of_five_thousand_items_is_checkpointed_once_and_repeated_only_if_it_ran_at_a_kill(
    tmp_path,
):
    seed = int(os.environ.get("EACH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"EACH_SEED={seed}")  # noqa: T201 - to get the same run again
    rng, database = random.Random(seed), tmp_path / "each.db"
    begun, hit = Counter(), Counter()
    for number in range(KILLS):
        share = (ITEMS - begun.total()) / (KILLS + 1 - number)
        moment = 1 + int(rng.uniform(0.2, 1.4) * share)
        async with running("tests.crash.each_driver", database, ITEMS, moment + LATE) as victim:
            await victim.wrote("begin", times=moment)
            await victim.kill()
            assert not victim.noted("done")
        begun += (of_this_life := begun_by(victim))
        ran = of_this_life.keys() - checkpointed(database).keys()
        assert len(ran) <= MAX_RUNNING
        hit.update(ran)
    async with running("tests.crash.each_driver", database, ITEMS) as victim:
        assert await victim.ended() == 0, victim.log
        begun += begun_by(victim)
    assert checkpointed(database) == dict.fromkeys(range(ITEMS), 1)
    assert begun.keys() == set(range(ITEMS)), "each had its effect"
    assert begun.total() - ITEMS <= hit.total() <= KILLS * MAX_RUNNING
    assert all(begun[item] <= 1 + hit[item] for item in begun)
    async with ProcessManager(f"sqlite:///{database}", run=False) as client:
        (parent,) = await client.list(name="each")
        assert parent.output == [item * item for item in range(ITEMS)]
        assert await client.counts() == {ProcessStatus.FINISHED: ITEMS + 1}
