"""Runs the benchmarks one after the other, with and without uvloop: JSON lines as they come, then one table.

`python benchmarks/run.py` runs all, `python benchmarks/run.py steps idle` some. Options are handed on to
every script: `--quick`, `--loop asyncio`, `--repeats 9`, `--folder /data`, `--synchronous NORMAL`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
from pathlib import Path

import report

HERE = Path(__file__).parent
SCRIPTS = (
    "steps",
    "lone_process",
    "start_latency",
    "many_processes",
    "actor_messages",
    "memory",
    "idle",
    "crowded_store",
    "subscribers",
    "other_process",
    "takeover",
    "postgres",
    "fleet",
    "server_load",
    "deferred",
    "middleware",
)


def main() -> None:
    """Run them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scripts", nargs="*", metavar="script", help=f"of: {', '.join(SCRIPTS)}")
    args, options = parser.parse_known_args()
    names = [name for name in args.scripts if name in SCRIPTS] or SCRIPTS
    handed_on = [*options, *(word for word in args.scripts if word not in SCRIPTS)]
    figures = [
        figure
        for name in names
        for figure in report.in_subprocess([str(HERE / f"{name}.py"), "--json", *handed_on])
    ]
    report.print_table(figures)
    print(f"\n{machine()}")


def machine() -> str:
    """Say on what the figures were taken, as far as it can be told from here."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{versions}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
