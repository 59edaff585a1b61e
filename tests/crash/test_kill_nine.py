"""`kill -9` with real OS processes: nothing is lost, nothing is done twice that was checkpointed."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from itertools import count

import anyio
import msgspec
import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.victim import running

PROCESSES, STEPS = 50, 20
RUNNING = 8
KILLS, AMID_A_STEP, AT_START = 30, 20, 3
EARLY_S = 0.1

# Two of five lives are long enough for the eight running processes to reach a checkpoint.
BLOCK = ("early", "short", "long", "short", "long")
LONG_LIVES = KILLS * BLOCK.count("long") // len(BLOCK)


class Watcher:
    """A subscriber in another OS process than the one that is killed."""

    def __init__(self, url):
        self.client = ProcessManager(url, run=False)
        self.seen = []
        self._more = anyio.Event()

    async def run(self):
        async with self.client.subscribe(after=0) as events:
            async for event in events:
                self.seen.append(event)
                more, self._more = self._more, anyio.Event()
                more.set()

    async def has_seen_all_ends(self):
        with anyio.fail_after(100):
            while sum(type(e).__name__ == "ProcessFinished" for e in self.seen) < PROCESSES:
                await self._more.wait()


class Tally:
    """What the kills have hit, by the ledger of the killed program and the store that it left."""

    def __init__(self, database):
        self.database = database
        self.kills = self.amid_a_step = self.at_start = self.checkpoints = 0
        self.begun = Counter()
        self.seen = set()

    @property
    def is_enough(self):
        return self.kills >= KILLS and self.amid_a_step >= AMID_A_STEP and self.at_start >= AT_START

    def add(self, victim, killed_at):
        self.kills += 1
        self.at_start += killed_at - float(victim.noted("start")[0][0]) <= EARLY_S
        begun = {tuple(line[2:4]) for line in victim.noted("begin")}
        checkpointed = self.checkpointed()
        self.amid_a_step += bool(begun - checkpointed)
        self.checkpoints = len(checkpointed)
        self.note_seen(victim)

    def note_seen(self, victim):
        self.begun.update(tuple(line[2:4]) for line in victim.noted("begin"))
        self.seen |= {
            (pid, int(seq), int(position), kind) for _, _, pid, seq, position, kind in victim.noted("saw")
        }

    def checkpointed(self):
        """The steps with a StepFinished, read by a connection of its own."""
        connection = sqlite3.connect(self.database)
        try:
            return set(
                connection.execute(
                    "SELECT p.pid, json_extract(e.body, '$.step') FROM procactors_events e"
                    " JOIN procactors_processes p ON p.id = e.process"
                    " WHERE json_extract(e.body, '$.type') = 'StepFinished'"
                )
            )
        finally:
            connection.close()

    def __str__(self):
        return (
            f"{self.kills} kills, {self.amid_a_step} amid a step, {self.at_start} within 100 ms of the start,"
            f" the last one after {self.checkpoints} of {PROCESSES * STEPS} checkpoints"
        )


@pytest.mark.slow
async def test_fifty_processes_survive_thirty_kills(tmp_path):
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KILL_SEED={seed}")  # noqa: T201 - to get the same run again
    database = tmp_path / "kill.db"
    url = f"sqlite:///{database}"
    watcher, tally = Watcher(url), Tally(database)
    async with watcher.client, anyio.create_task_group() as group:
        group.start_soon(watcher.run)
        await kill_again_and_again(database, tally, random.Random(seed))
        print(tally)  # noqa: T201 - what was tried
        async with running("tests.crash.driver", database, PROCESSES, STEPS) as victim:
            assert await victim.ended() == 0, victim.log
            await victim.wrote("done")
            tally.note_seen(victim)
        await watcher.has_seen_all_ends()
        group.cancel_scope.cancel()
    async with ProcessManager(url, run=False) as client:
        histories = await check_ends(client, tally)
    check_nothing_seen_was_lost(histories, watcher.seen, tally.seen)
    check_file(database)


async def kill_again_and_again(database, tally, rng):
    """Kill at random moments, counted in steps begun, so that they spread alike on any machine."""
    long_lives = iter(range(LONG_LIVES, 0, -1))
    for number in count():
        if tally.is_enough:
            return
        block = BLOCK if tally.kills < KILLS else ("early",)
        kind = block[number % len(block)]
        async with running("tests.crash.driver", database, PROCESSES, STEPS) as victim:
            await victim.wrote("start")
            if kind == "early":
                await anyio.sleep(rng.uniform(0, 0.7 * EARLY_S))
            elif kind == "short":
                await victim.wrote("begin", times=rng.randint(1, 3 * RUNNING))
            else:
                share = (PROCESSES * STEPS - tally.checkpoints) / (next(long_lives) + 1)
                await victim.wrote("begin", times=RUNNING + int(rng.uniform(0.6, 1) * share))
            await victim.kill()
            assert not victim.noted("done"), f"all is done after {tally}"
            tally.add(victim, time.time())  # noqa: TID251 - compared with the ledger of another OS process


async def check_ends(client, tally):
    """Return all histories, after a look at each."""
    infos = await client.list(limit=1000)
    assert len(infos) == PROCESSES
    histories = {}
    for info in infos:
        assert info.status is ProcessStatus.FINISHED
        seed = info.output["seed"]
        assert info.output == {"seed": seed, "count": STEPS, "sum": seed * STEPS * (STEPS - 1) // 2}
        async with client.subscribe(info.pid) as events:
            history = [event async for event in events]
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        kinds = Counter((type(event).__name__, getattr(event, "step", "")) for event in history)
        for i in range(STEPS):
            assert kinds["StepFinished", f"s{i}"] == 1
            assert kinds["StepStarted", f"s{i}"] >= tally.begun[info.pid, f"s{i}"] >= 1
        assert kinds["ProcessFinished", ""] == 1
        histories[info.pid] = history
    assert {info.output["seed"] for info in infos} == set(range(PROCESSES))
    return histories


def check_nothing_seen_was_lost(histories, seen_outside, seen_inside):
    """What another OS process saw is all there is; what the killed one saw itself is part of it."""
    stored = {event.position: event for history in histories.values() for event in history}
    positions = [event.position for event in seen_outside]
    assert positions == sorted(stored), "in order, without a gap or a repetition"
    for event in seen_outside:
        assert msgspec.to_builtins(stored[event.position]) == msgspec.to_builtins(event)
    assert seen_inside <= {(e.pid, e.seq, e.position, type(e).__name__) for e in stored.values()}
    assert seen_inside


def check_file(database):
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
