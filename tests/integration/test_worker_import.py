"""What a worker imports: it starts for a step, so that it must not load what only a manager needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.test_import import ROUNDS, seconds_for

FORBIDDEN = {"anyio", "aiosqlite", "sqlite3", "asyncio", "subprocess", "multiprocessing", "ssl"}
ROOMS = {"actors", "engine", "stores", "deferred", "manager", "handle", "cli", "testing"}
FLOOR = "import msgspec, inspect, logging, socket, ctypes, typing"  # what calls a step, and the wire
RATIO_MAX = 2.5  # 1.7 when this was written


def modules_after(code):
    report = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import procactors.executors.child",
        "import procactors.executors.child; from procactors import step, Step, StepContext, Interrupt, Fatal",
    ],
)
def test_a_worker_imports_neither_event_loop_nor_store(code):
    found = modules_after(code)
    assert not found & FORBIDDEN
    assert not {name for name in found if name.startswith("procactors.")} & {f"procactors.{r}" for r in ROOMS}


def test_a_worker_keeps_its_import_budget():
    codes = {"bare": "pass", "floor": FLOOR, "ours": "import procactors.executors.child"}
    times = {name: [] for name in codes}
    for _ in range(ROUNDS):  # side by side, so that a busy machine is busy for all of them
        for name, code in codes.items():
            times[name].append(seconds_for(code))
    best = {name: min(taken) for name, taken in times.items()}
    ratio = (best["ours"] - best["bare"]) / (best["floor"] - best["bare"])
    assert ratio < RATIO_MAX, f"{ratio:.2f} times {FLOOR!r}: {best}"
