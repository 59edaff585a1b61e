"""Limits of a definition hold over several OS processes, whichever of them is killed."""

from __future__ import annotations

import os
import random
from collections import defaultdict

import anyio
import pytest

from procactors import ProcessManager
from tests.fleet.under_kills import PATIENCE_S, Yard
from tests.fleet.yard import LIMITED, RATED

KILLS, GROUPS = 4, 5
LEAST = 20
BATCH = {LIMITED: 20, RATED: 10}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/limits.db"
    return request.getfixturevalue("postgres").url("limits")


def inside(notes):
    """Yield who was inside, after each note: pid -> manager and group."""
    there = {}
    for _, me, what, pid, group in sorted(notes, key=lambda note: note[0]):
        if what == "killed":
            there = {one: (who, its) for one, (who, its) in there.items() if who != me}
        elif what == "in":
            there[pid] = (me, group)
        else:
            there.pop(pid, None)
        yield there


@pytest.mark.slow
async def test_limits_of_a_definition_hold_whichever_manager_is_killed(url, tmp_path):
    seed = int(os.environ.get("LIMITS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"LIMITS_SEED={seed}")  # noqa: T201 - to get the same run again
    yard, all_over = Yard(url, tmp_path, random.Random(seed), KILLS), anyio.Event()
    handles = {LIMITED: [], RATED: []}
    async with ProcessManager(url, run=False) as client, anyio.create_task_group() as group:
        group.start_soon(yard.run, all_over)
        with anyio.fail_after(PATIENCE_S):
            while not yard.is_spared or len(handles[RATED]) < LEAST:
                await come_through(client, handles)
        all_over.set()
        starts = sorted([at for handle in handles[RATED] for at in await taken_up(handle)])
    check_places(yard, {handle.pid for handle in handles[LIMITED]})
    most, seconds = RATED.limits.rate
    for first, after in zip(starts, starts[most:], strict=False):
        assert (after - first).total_seconds() >= seconds - 0.002


async def come_through(client, handles):
    """Start some more, and wait for their ends."""
    batch = [
        await client.start(plan, {"n": n, "group": f"g{n % GROUPS}"}, group=f"g{n % GROUPS}")
        for plan, count in BATCH.items()
        for n in range(count)
    ]
    handles[LIMITED] += batch[: BATCH[LIMITED]]
    handles[RATED] += batch[BATCH[LIMITED] :]
    for handle in batch:
        await handle.result()


async def taken_up(handle):
    """Return when it began to run, and when it did so again after its manager was killed."""
    async with handle.subscribe() as events:
        return [e.at async for e in events if type(e).__name__ in {"ProcessStarted", "ProcessResumed"}]


def check_places(yard, limited):
    most = 0
    for there in inside(yard.notes):
        groups = defaultdict(int)
        for pid, (_, group) in there.items():
            if pid in limited:
                groups[group] += 1
        assert sum(groups.values()) <= LIMITED.limits.max_running
        assert max(groups.values(), default=0) <= LIMITED.limits.max_per_group
        most = max(most, sum(groups.values()))
    assert most > 1, "several ran at once"
