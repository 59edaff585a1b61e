"""What a worker imports: it starts for a step, so that it must not load what only a manager needs."""

from __future__ import annotations

import pytest

from tests.integration.test_import import check_budget, output_of

FORBIDDEN = {"anyio", "aiosqlite", "sqlite3", "asyncio", "subprocess", "multiprocessing", "ssl"}
ROOMS = {"actors", "engine", "stores", "deferred", "manager", "handle", "cli", "testing"}
FLOOR = "import msgspec, inspect, logging, socket, ctypes, typing"  # what calls a step, and the wire
RATIO_MAX = 2.5  # 1.7 when this was written


def modules_after(code):
    return set(output_of(f"{code}\nimport sys; print(*sys.modules)").split())


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
    check_budget("import procactors.executors.child", FLOOR, RATIO_MAX)
