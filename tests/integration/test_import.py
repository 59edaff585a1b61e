"""What importing the package costs: no driver that nobody asked for, and little time."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

FLOOR = "import anyio, aiosqlite, msgspec"  # what no import of ours can do without
RATIO_MAX = 2.5  # 1.7 when this was written
ROUNDS = 5

EXTRAS = {
    "typer", "click", "rich", "uvloop", "sqlalchemy", "asyncpg", "starlette", "uvicorn", "opentelemetry",
    "pydantic", "yaml", "trio", "hypothesis", "pytest",
}  # fmt: skip


def imported_by(code):
    """Return the top-level names of the modules that a fresh interpreter has after running `code`."""
    report = f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def seconds_for(code):
    """Return the processor time of a fresh interpreter that runs `code`: other programs don't count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("package", ["procactors", "procactors.actors", "procactors.deferred"])
def test_import_pulls_in_no_library_of_an_extra(package):
    assert not imported_by(f"import {package}") & EXTRAS


def test_import_leaves_out_the_faces():
    code = "import procactors, sys; print(*(n for n in sys.modules if n.startswith('procactors.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert not rooms & {"cli", "web", "otel", "testing"}


def test_import_keeps_its_budget():
    codes = {"bare": "pass", "floor": FLOOR, "ours": "import procactors"}
    times = {name: [] for name in codes}
    for _ in range(ROUNDS):  # side by side, so that a busy machine is busy for all of them
        for name, code in codes.items():
            times[name].append(seconds_for(code))
    best = {name: min(taken) for name, taken in times.items()}
    ratio = (best["ours"] - best["bare"]) / (best["floor"] - best["bare"])
    assert ratio < RATIO_MAX, f"{ratio:.2f} times {FLOOR!r}: {best}"
