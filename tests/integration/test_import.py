"""What importing the package costs: no driver that nobody asked for, and little time."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys

import pytest

FLOOR = "import anyio, aiosqlite, msgspec"  # what no import of ours can do without
RATIO_MAX = 2.5  # 1.7 when this was written
ROUNDS, ROUNDS_MAX = 5, 50

EXTRAS = {
    "typer", "click", "rich", "uvloop", "sqlalchemy", "asyncpg", "starlette", "uvicorn", "opentelemetry",
    "pydantic", "yaml", "trio", "hypothesis", "pytest",
}  # fmt: skip


def output_of(code):
    """Return what `code` prints in a fresh interpreter, without the coverage that may be measured here."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def imported_by(code):
    """Return the top-level names of the modules that a fresh interpreter has after running `code`."""
    report = f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(output_of(report).split())


def seconds_for(code):
    """Return the processor time of a fresh interpreter that runs `code`: other programs don't count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output_of(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_budget(code, floor, ratio_max):
    """Fail if `code` takes too many times as long as `floor`, at best: a busy machine gets more rounds."""
    codes = {"bare": "pass", "floor": floor, "ours": code}
    best = dict.fromkeys(codes, math.inf)
    for number in range(ROUNDS_MAX):
        for name, its_code in codes.items():  # side by side, so that a busy machine is busy for all of them
            best[name] = min(best[name], seconds_for(its_code))
        is_within = best["ours"] - best["bare"] < ratio_max * (best["floor"] - best["bare"])
        if is_within and number + 1 >= ROUNDS:
            return
    raise AssertionError(f"more than {ratio_max} times {floor!r}: {best}")


@pytest.mark.parametrize("package", ["procactors", "procactors.actors", "procactors.deferred"])
def test_import_pulls_in_no_library_of_an_extra(package):
    assert not imported_by(f"import {package}") & EXTRAS


def test_import_leaves_out_the_faces():
    code = "import procactors, sys; print(*(n for n in sys.modules if n.startswith('procactors.')))"
    rooms = {name.split(".")[1] for name in output_of(code).split()}
    assert not rooms & {"cli", "web", "otel", "testing"}


def test_import_keeps_its_budget():
    check_budget("import procactors", FLOOR, RATIO_MAX)
