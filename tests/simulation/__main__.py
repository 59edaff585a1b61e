"""Many simulations on all processors, or one of them again, its history told: see `make simulate`."""

# ruff: noqa: T201 - it is a command

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from multiprocessing import Pool

from procactors.cli.sentence import sentence
from tests.simulation.world import simulate


def main():
    """Return how many simulations went wrong."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, help="the first of them; default: a random one")
    parser.add_argument("--seed", type=int, help="this one only")
    asked = parser.parse_args()
    if asked.seed is not None:
        return tell(asked.seed)
    first = random.SystemRandom().randrange(10**9) if asked.first is None else asked.first
    return try_many(range(first, first + asked.seeds))


def tell(seed):
    """Run one, and tell what happens in it."""

    def watch(event, life, manager):
        kind = type(event).__name__
        print(
            f"{event.at:%H:%M:%S.%f}  {manager:2} {event.pid[-8:]} {life.name:10}"
            f" {event.seq:3} {kind}: {sentence(event)}"
        )

    report = simulate(seed, watch)
    for problem in report.trouble:
        print(f"NOT SO: {problem}")
    print(f"seed {seed}: history {report.digest}, {report.commits} commits, {report.counts.total()} events")
    return len(report.trouble)


def try_many(seeds):
    """Run many, and print those that went wrong."""
    print(f"seeds {seeds[0]} to {seeds[-1]}", flush=True)
    counts, heard, broken = Counter(), Counter(), []
    with Pool(os.cpu_count()) as pool:
        for report in pool.imap_unordered(simulate, seeds, chunksize=4):
            counts += report.counts
            heard += report.heard
            if report.trouble:
                broken.append(report.seed)
                print(f"NOT SO: seed {report.seed}: {report.trouble[0]}", flush=True)
    print("events:", ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    print("users were told:", ", ".join(f"{count} {what}" for what, count in heard.most_common()))
    print(f"{len(broken)} of {len(seeds)} went wrong; again: make simulate SEED={(broken or ['...'])[0]}")
    return len(broken)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
