"""The same work here, in DBOS and in huey, in turns, on SQLite in WAL mode with `synchronous=FULL`.

200 processes of 10 steps started at once, and a lone process of 200 steps; a step returns its input. Each
peer runs in a virtual environment and an OS process of its own, and a fresh database, on asyncio.

What is the same: after each step its output is durable before the next step begins. What is not: huey has
no history, no status, and no recovery of a step that was running; DBOS replays the function that calls the
steps. Ours has 2 events for each step. The floor of a peer is the peer itself: the ratio is ours by theirs,
taken within one repetition.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import msgspec
import report

ROOT = Path(__file__).parents[1]
PEERS = {"procactors": ".venv", "DBOS": ".venv-dbos", "huey": ".venv-huey"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--lone-steps", type=int, default=200)
    parser.add_argument("--folder", default=None, help="where databases are made; default: the system's")
    args = parser.parse_args()
    runs = [{peer: measured(peer, args) for peer in PEERS} for _ in range(args.repeats)]
    figures = [*compared(runs, 0, f"{args.processes} x {args.steps}", "steps/s")]
    figures += compared(runs, 1, "a lone step, p50", "ms")
    for found in figures:
        print(msgspec.json.encode(found).decode())
    report.print_table(figures)


def measured(peer: str, args: argparse.Namespace) -> tuple[float, float]:
    """Run the work in one of them; return steps a second, and the milliseconds of a lone step."""
    script = ROOT / "benchmarks" / "peers" / f"on_{peer.lower()}.py"
    sizes = (args.processes, args.steps, args.lone_steps)
    with tempfile.TemporaryDirectory(prefix="procactors-bench-", dir=args.folder) as folder:
        command = [ROOT / PEERS[peer] / "bin" / "python", script, Path(folder) / "bench.db", *sizes]
        run = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    rate, lone = run.stdout.split()[-2:]
    return float(rate), float(lone)


def compared(
    runs: list[dict[str, tuple[float, float]]], index: int, name: str, unit: str
) -> list[report.Figure]:
    """Return our figure beside that of each peer."""
    ours = [run["procactors"][index] for run in runs]
    found = []
    for peer in PEERS:
        theirs = [run[peer][index] for run in runs]
        if peer != "procactors":
            one = report.figure(
                name,
                unit,
                ours,
                beside=peer,
                floor=theirs,
                durability="SQLite WAL FULL",
                target=TARGETS[peer, index],
            )
            found.append(msgspec.structs.replace(one, benchmark="peers", loop="asyncio"))
    return found


TARGETS = {("DBOS", 0): "ratio 100", ("huey", 0): "ratio 10", ("DBOS", 1): "", ("huey", 1): ""}


if __name__ == "__main__":
    main()
