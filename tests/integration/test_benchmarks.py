"""Every benchmark starts, measures something small, and prints JSON. No timing is asserted."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = {"both_stores", "floors", "report", "workload"}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in MODULES | {"run", "peers"})


def lines_of(*arguments):
    run = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    json_lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in json_lines], run.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_benchmark_prints_a_json_line_for_each_figure_and_nothing_else(script):
    figures, output = lines_of(FOLDER / f"{script}.py", "--quick", "--json")
    assert len(figures) == len(output.splitlines()) > 0
    for figure in figures:
        assert figure["benchmark"] == script
        assert figure["loop"] == "asyncio"
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["runs"] == 1
        if "beside" in figure:
            assert figure["floor"] > 0
            assert math.isfinite(figure["ratio"]), "a difference of two figures may be less than nothing"


def test_all_are_run_by_one_command_which_ends_with_a_table():
    figures, output = lines_of(FOLDER / "run.py", "actor_messages", "start_latency", "--quick")
    assert {figure["benchmark"] for figure in figures} == {"actor_messages", "start_latency"}
    assert output.count("lowest .. highest") == 1
    for figure in figures:
        assert figure["name"] in output.rpartition("lowest .. highest")[2]


def test_run_knows_every_benchmark():
    text = (FOLDER / "run.py").read_text("utf-8")
    assert [script for script in SCRIPTS if f'"{script}"' not in text] == []


def test_our_part_of_the_comparison_with_peers_prints_two_figures(tmp_path):
    script = FOLDER / "peers" / "on_procactors.py"
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "bench.db"), "3", "2", "4"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert [float(figure) > 0 for figure in run.stdout.split()] == [True, True]
