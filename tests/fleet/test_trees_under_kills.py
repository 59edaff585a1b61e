"""Children, lists, sleeps and compensations of several OS processes, whichever of these is killed."""

from __future__ import annotations

import os
import random
from collections import Counter

import anyio
import pytest

from procactors import ProcessFailedError, ProcessManager
from tests.fleet.under_kills import PATIENCE_S, Yard
from tests.fleet.yard import TREE, VAIN

KILLS, BATCH = 6, 8


@pytest.mark.slow
async def test_families_come_to_their_end_and_each_step_finishes_once_whichever_manager_is_killed(tmp_path):
    seed = int(os.environ.get("TREES_SEED", random.SystemRandom().randrange(2**32)))
    print(f"TREES_SEED={seed}")  # noqa: T201 - to get the same run again
    url = f"sqlite:///{tmp_path}/trees.db"
    yard, all_over = Yard(url, tmp_path, random.Random(seed), KILLS), anyio.Event()
    async with ProcessManager(url, run=False) as client, anyio.create_task_group() as group:
        group.start_soon(yard.run, all_over)
        with anyio.fail_after(PATIENCE_S):
            while not yard.is_spared:
                await come_through(client)
        all_over.set()
        for info in await client.list(limit=10_000):
            async with client.subscribe(info.pid) as events:
                finished = Counter([e.step async for e in events if type(e).__name__ == "StepFinished"])
            assert set(finished.values()) <= {1}


async def come_through(client):
    """Start some more, and see that they end as they should."""
    trees = [await client.start(TREE, {"n": n}) for n in range(BATCH)]
    vain = [await client.start(VAIN, {"n": n}) for n in range(BATCH // 2)]
    assert [await tree.result() for tree in trees] == [n + 5 for n in range(BATCH)]
    for handle in vain:
        with pytest.raises(ProcessFailedError, match="in vain"):
            await handle.result()
        assert (await handle.info()).undone == ("flight", "hotel")
