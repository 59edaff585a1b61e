"""Concurrent `start(key=...)`, `proceed`, `cancel` from four OS processes are as if one after the other."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from contextlib import AsyncExitStack

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running
from tests.fleet.linearizability import CANCELLED, FINISHED, Call, could_be

RIVALS, PROCESSES = 4, 40


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rivals.db"
    return request.getfixturevalue("postgres").url("rivals")


@pytest.mark.slow
async def test_histories_of_four_programs_are_linearizable(url):
    seed = int(os.environ.get("RIVALS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"RIVALS_SEED={seed}")  # noqa: T201 - to get the same run again
    async with ProcessManager(url, run=False) as client, AsyncExitStack() as stack:
        rivals = [
            await stack.enter_async_context(
                running("tests.fleet.rival_driver", url, seed + number, PROCESSES)
            )
            for number in range(RIVALS)
        ]
        for rival in rivals:
            await rival.wrote("done")
        pids = one_pid_for_each_key(rivals)
        histories = calls_of(rivals)
        ends = await ends_of(client, histories)
        for rival in rivals:
            assert await rival.kill(signal.SIGTERM) == 0, rival.log
    for pid in pids:
        assert could_be(histories[pid], ends[pid]), (histories[pid], ends[pid])
    assert any(call.outcome for calls in histories.values() for call in calls if call.what == "proceed")


def one_pid_for_each_key(rivals):
    pids = defaultdict(set)
    for rival in rivals:
        for _, _, key, pid, *_ in rival.noted("start"):
            pids[key].add(pid)
    assert [len(found) for found in pids.values()] == [1] * PROCESSES
    return [pid for found in pids.values() for pid in found]


async def ends_of(client, histories):
    """What became of each; by one more cancel, a call like the others, if nobody had decided on it."""
    ends = {}
    for pid, calls in histories.items():
        began = time.monotonic()
        calls.append(Call("cancel", await client.cancel(pid), began, time.monotonic()))
        async with client.subscribe(pid) as events:
            with anyio.fail_after(30):
                kinds = [type(event).__name__ async for event in events]
        ends[pid] = FINISHED if "ProcessFinished" in kinds else CANCELLED
    return ends


def calls_of(rivals):
    calls = defaultdict(list)
    for rival in rivals:
        for what in ("proceed", "cancel"):
            for _, _, pid, outcome, began, ended in rival.noted(what):
                calls[pid].append(Call(what, outcome == "True", float(began), float(ended)))
    return calls


@pytest.mark.parametrize(
    ("calls", "end", "is_possible"),
    [
        ([Call("proceed", True, 0, 1), Call("proceed", False, 0, 1)], FINISHED, True),
        ([Call("proceed", True, 0, 1), Call("proceed", True, 0, 1)], FINISHED, False),
        ([Call("proceed", True, 2, 3), Call("cancel", True, 0, 1)], CANCELLED, False),
        ([Call("cancel", True, 0, 5), Call("proceed", True, 2, 3)], CANCELLED, True),
        ([Call("cancel", False, 0, 1), Call("proceed", True, 2, 3)], FINISHED, False),
        ([Call("cancel", True, 2, 3), Call("proceed", True, 0, 1)], FINISHED, False),
        ([Call("proceed", True, 0, 1), Call("cancel", False, 2, 3)], FINISHED, True),
    ],
)
def test_the_checker_knows_what_can_not_be(calls, end, is_possible):
    assert could_be(calls, end) is is_possible
