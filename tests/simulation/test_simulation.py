"""Whole managers with random processes, users and faults: whatever happens, nothing happens that must not.

`make simulate` runs as many as you like, and `make simulate SEED=...` one of them again.
"""

from __future__ import annotations

import random

import pytest

from tests.simulation.outside import has_children
from tests.simulation.world import simulate

FIXED_GROUPS = 8
RANDOM_GROUPS = 2
SEEDS = 8
"""In each group."""


def check(seeds):
    for seed in seeds:
        report = simulate(seed)
        assert not report.trouble, f"make simulate SEED={seed}: {report.trouble[0]}"


@pytest.mark.slow
@pytest.mark.parametrize("group", range(FIXED_GROUPS))
def test_no_promise_is_broken_in_any_of_these_simulations(group):
    check(range(group * SEEDS, (group + 1) * SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("group", range(RANDOM_GROUPS))
def test_no_promise_is_broken_in_random_simulations(group):
    first = random.SystemRandom().randrange(10**9)
    print(f"seeds {first} to {first + SEEDS - 1}")  # noqa: T201 - to get the same run again
    check(range(first, first + SEEDS))


def test_a_seed_gives_the_same_history_again():
    reports = [simulate(seed) for seed in (225, 225, 1144, 1144)]
    assert reports[0] == reports[1]
    assert reports[2] == reports[3]
    assert reports[0].digest != reports[2].digest
    assert all(report.commits > 50 for report in reports)


def test_a_history_does_not_depend_on_how_quick_os_processes_are():
    seed = next(seed for seed in range(100, 200) if has_children(seed))
    assert simulate(seed) == simulate(seed)
