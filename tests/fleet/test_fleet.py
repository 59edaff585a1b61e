"""Four OS processes with a manager each on one store, killed and started again: every process once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict

import anyio
import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.victim import running
from tests.fleet.driver import STEPS

MANAGERS, PROCESSES, KILLS = 4, 2000, 8
SHARE = PROCESSES // MANAGERS
PATIENCE_S = 300  # real seconds; on an idle machine a tenth of it


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fleet.db"
    return request.getfixturevalue("postgres").url("fleet")


class Fleet:
    """The managers that are alive, and the ledger that all of them write."""

    def __init__(self, url, folder, rng):
        self.url = url
        self.ledger = folder / "ledger"
        self.rng = rng
        self.killed_at = {}  # name of a manager -> when it was killed
        self._kills = 0

    def lines(self):
        return [line.split() for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []

    async def live(self, number, until):
        """Let one manager live, and after each kill of it another in its place."""
        while not until.is_set():
            arguments = (self.url, self.ledger, f"m{number}", number * SHARE, (number + 1) * SHARE)
            async with running("tests.fleet.driver", *arguments, patience_s=PATIENCE_S) as victim:
                me = (await victim.wrote("open"))[2]
                if self._kills < KILLS:
                    self._kills += 1
                    await self.has_grown(self.rng.randrange(50, 400))
                    self.killed_at[me] = time.time()  # noqa: TID251 - to compare with the ledger's times
                    await victim.kill()
                else:
                    await until.wait()
                    victim.process.send_signal(signal.SIGTERM)
                    assert await victim.ended() == 0, victim.log

    async def has_grown(self, by):
        goal = min(len(self.lines()) + by, PROCESSES * STEPS)
        while len(self.lines()) < goal:  # noqa: ASYNC110 - other OS processes write it
            await anyio.sleep(0.01)


@pytest.mark.slow
async def test_four_managers_under_kills_run_each_process_once(url, tmp_path):
    seed = int(os.environ.get("FLEET_SEED", random.SystemRandom().randrange(2**32)))
    print(f"FLEET_SEED={seed}")  # noqa: T201 - to get the same run again
    fleet = Fleet(url, tmp_path, random.Random(seed))
    all_over = anyio.Event()
    async with ProcessManager(url, run=False) as client, anyio.create_task_group() as group:
        for number in range(MANAGERS):
            group.start_soon(fleet.live, number, all_over)
        with anyio.fail_after(PATIENCE_S):
            while await client.counts() != {ProcessStatus.FINISHED: PROCESSES}:  # noqa: ASYNC110 - many ends
                await anyio.sleep(0.2)
        all_over.set()
        await check_histories(client)
    check_ledger(fleet)
    assert len(fleet.killed_at) == KILLS


async def check_histories(client):
    """Every output is right, and each step has finished exactly once."""
    finished, outputs = Counter(), {}
    async with client.subscribe(after=0) as events:
        async for event in events:
            if type(event).__name__ == "StepFinished":
                finished[event.pid, event.step] += 1
            elif type(event).__name__ == "ProcessFinished":
                info = await client.info(event.pid)
                outputs[int(info.key[1:])] = info.output
                if len(outputs) == PROCESSES:
                    break
    assert outputs == {n: {"n": n, "sum": STEPS * n} for n in range(PROCESSES)}
    assert len(finished) == PROCESSES * STEPS
    assert set(finished.values()) == {1}


def check_ledger(fleet):
    """No two managers had a process in a step at the same time: what a killed one had begun, it has left."""
    inside = defaultdict(set)
    for at, me, what, pid, _ in fleet.lines():
        inside[pid] = {one for one in inside[pid] if fleet.killed_at.get(one, float("inf")) > float(at)}
        if what == "begin":
            assert not inside[pid], f"{me} runs {pid}, and so does {inside[pid]}"
            inside[pid].add(me)
        else:
            inside[pid].discard(me)
    assert len(inside) == PROCESSES
