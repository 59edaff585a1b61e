"""`kill -9` with real OS processes: nothing is lost, nothing is done twice that was checkpointed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import anyio
import msgspec
import pytest

from procactors import ProcessManager, ProcessStatus

ROOT = Path(__file__).parents[2]
PROCESSES, STEPS, KILLS = 50, 20, 32
EARLY_KILLS = 6


class Watcher:
    """A subscriber in an OS process of its own right: keeps what it saw before each kill."""

    def __init__(self, url: str) -> None:
        self.client = ProcessManager(url, run=False)
        self.seen = []

    async def run(self) -> None:
        async with self.client.subscribe(after=0) as events:
            async for event in events:
                if event.position:
                    self.seen.append(event)


def lines(ledger: Path) -> list[list[str]]:
    if not ledger.exists():
        return []
    return [line.split() for line in ledger.read_text().splitlines()]


async def run_and_kill(command: list[str], ledger: Path, rng: random.Random, *, early: bool) -> float:
    """Run the driver, kill it at a random moment; return how long after its start that was (seconds)."""
    before = len(lines(ledger))
    driver = subprocess.Popen(command, cwd=ROOT)  # noqa: ASYNC220 - starting it is quick
    try:
        while len(lines(ledger)) <= before:
            assert driver.poll() is None, "the driver ended by itself"
            await anyio.sleep(0.001)
        started = anyio.current_time()
        await anyio.sleep(rng.uniform(0, 0.08) if early else rng.uniform(0.11, 0.28))
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    return anyio.current_time() - started


def checkpointed(database: Path) -> set[tuple[str, str]]:
    """The steps with a StepFinished, read after the kill by a connection of its own."""
    if not database.exists():
        return set()
    with sqlite3.connect(database) as connection:
        try:
            rows = connection.execute(
                "SELECT p.pid, json_extract(e.body, '$.step') FROM procactors_events e"
                " JOIN procactors_processes p ON p.id = e.process"
                " WHERE json_extract(e.body, '$.type') = 'StepFinished'"
            ).fetchall()
        except sqlite3.OperationalError:
            return set()  # killed before the schema was there
    connection.close()
    return set(rows)


@pytest.mark.slow
async def test_fifty_processes_survive_thirty_kills(tmp_path):
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KILL_SEED={seed}")  # noqa: T201 - to get the same run again
    rng = random.Random(seed)
    database, ledger = tmp_path / "kill.db", tmp_path / "ledger"
    url = f"sqlite:///{database}"
    command = [
        sys.executable, "-m", "tests.crash.driver", str(database), str(ledger), str(PROCESSES), str(STEPS),
    ]  # fmt: skip
    watcher = Watcher(url)
    early_kills = set(rng.sample(range(KILLS), EARLY_KILLS))
    in_the_middle, at_start = 0, 0
    async with watcher.client, anyio.create_task_group() as group:
        group.start_soon(watcher.run)
        for number in range(KILLS):
            before = len(lines(ledger))
            after = await run_and_kill(command, ledger, rng, early=number in early_kills)
            at_start += after <= 0.1
            done = checkpointed(database)
            begun = {(words[2], words[3]) for words in lines(ledger)[before:] if words[1] == "begin"}
            in_the_middle += bool(begun - done)
            assert not any(words[1] == "done" for words in lines(ledger)), "too few processes for the kills"
        with anyio.fail_after(120):
            await anyio.run_process(command, cwd=ROOT, stdout=None, stderr=None)
        await everything_seen(watcher)
        group.cancel_scope.cancel()
    print(f"{KILLS} kills, {in_the_middle} inside a step, {at_start} within 100 ms of the start")  # noqa: T201 - what was tried
    assert in_the_middle >= 20
    assert at_start >= 3
    async with ProcessManager(url, run=False) as client:
        await check_ends(client)
        await check_nothing_seen_was_lost(client, watcher.seen)
    check_file(database)


async def everything_seen(watcher: Watcher) -> None:
    """Wait until the subscriber has come to the end of the stream."""
    newest = max(one.seq for one in await watcher.client.list(limit=1))
    assert newest
    with anyio.fail_after(30):
        while sum(type(e).__name__ == "ProcessFinished" for e in watcher.seen) < PROCESSES:  # noqa: ASYNC110 - a list has no event
            await anyio.sleep(0.01)


async def check_ends(client: ProcessManager) -> None:
    infos = await client.list(limit=1000)
    assert len(infos) == PROCESSES
    for info in infos:
        assert info.status is ProcessStatus.FINISHED
        assert info.output["count"] == STEPS
        async with client.subscribe(info.pid) as events:
            history = [event async for event in events]
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        kinds = Counter((type(event).__name__, getattr(event, "step", "")) for event in history)
        for i in range(STEPS):
            assert kinds["StepFinished", f"s{i}"] == 1
            assert kinds["StepStarted", f"s{i}"] >= 1
        assert kinds["ProcessFinished", ""] == 1


async def check_nothing_seen_was_lost(client: ProcessManager, seen: list) -> None:
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions)), "in order, without a repetition"
    by_pid = defaultdict(list)
    for event in seen:
        by_pid[event.pid].append(event)
    for pid, events in by_pid.items():
        async with client.subscribe(pid) as stream:
            history = {event.seq: event async for event in stream}
        for event in events:
            assert msgspec.to_builtins(history[event.seq]) == msgspec.to_builtins(event)


def check_file(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
