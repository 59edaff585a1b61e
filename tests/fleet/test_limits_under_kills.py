"""Limits of a definition hold over several OS processes, whichever of them is killed."""

from __future__ import annotations

import os
import random
import signal
from collections import defaultdict

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running
from tests.fleet.yard import LIMITED, RATED

MANAGERS, KILLS, GROUPS, PATIENCE_S = 3, 4, 5, 120
PROCESSES = {LIMITED: 60, RATED: 30}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/limits.db"
    return request.getfixturevalue("postgres").url("limits")


class Yard:
    """The managers that are alive, and what all that ever lived have noted: time, who, what, pid, group."""

    def __init__(self, url, folder, rng):
        self.url, self.folder, self.rng = url, folder, rng
        self.notes = []
        self._kills = 0

    async def live(self, number, until):
        """Let one manager live, and after each kill of it another in its place."""
        while not until.is_set():
            me = f"m{number}-{len(self.notes)}"
            async with running(
                "tests.fleet.yard", self.url, me, self.folder, patience_s=PATIENCE_S
            ) as victim:
                await victim.wrote("open")
                is_to_be_killed = self._kills < KILLS
                if is_to_be_killed:
                    self._kills += 1
                    await victim.wrote("in", times=self.rng.randrange(2, 12))
                    await victim.kill()
                else:
                    await until.wait()
                    assert await victim.kill(signal.SIGTERM) == 0, victim.log
                self.notes += [
                    (float(at), me, *words) for at, *words in victim.lines if words[0] in {"in", "out"}
                ]
                if is_to_be_killed:  # after all that it noted; whoever takes over begins later
                    self.notes.append((self.notes[-1][0], me, "killed", None, None))

    def inside(self):
        """Yield who was inside, after each note: pid -> manager and group."""
        there = {}
        for _, me, what, pid, group in sorted(self.notes, key=lambda note: note[0]):
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
    yard, all_over = Yard(url, tmp_path, random.Random(seed)), anyio.Event()
    async with ProcessManager(url, run=False) as client, anyio.create_task_group() as group:
        handles = {
            plan.name: [
                await client.start(
                    plan, {"n": n, "group": f"{plan.name}{n % GROUPS}"}, group=f"g{n % GROUPS}"
                )
                for n in range(count)
            ]
            for plan, count in PROCESSES.items()
        }
        for number in range(MANAGERS):
            group.start_soon(yard.live, number, all_over)
        with anyio.fail_after(PATIENCE_S):
            for handle in (one for several in handles.values() for one in several):
                await handle.result()
        all_over.set()
        starts = sorted([at for handle in handles["rated"] for at in await taken_up(handle)])
    check_places(yard, {handle.pid for handle in handles["limited"]})
    most, seconds = RATED.limits.rate
    assert len(starts) >= PROCESSES[RATED]
    for first, after in zip(starts, starts[most:], strict=False):
        assert (after - first).total_seconds() >= seconds - 0.001


async def taken_up(handle):
    """Return when it began to run, and when it did so again after its manager was killed."""
    async with handle.subscribe() as events:
        return [e.at async for e in events if type(e).__name__ in {"ProcessStarted", "ProcessResumed"}]


def check_places(yard, limited):
    most = 0
    for there in yard.inside():
        groups = defaultdict(int)
        for pid, (_, group) in there.items():
            if pid in limited:
                groups[group] += 1
        assert sum(groups.values()) <= LIMITED.limits.max_running
        assert max(groups.values(), default=0) <= LIMITED.limits.max_per_group
        most = max(most, sum(groups.values()))
    assert most > 1, "several ran at once"
    assert len([1 for note in yard.notes if note[2] == "killed"]) == KILLS
