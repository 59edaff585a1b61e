"""Whole managers with random processes, users and faults: whatever happens, nothing happens that must not.

The seeds here are always the same, so this passes or not whatever the machine does. `make simulate` tries
as many others as you like, and `make simulate SEED=...` one of them again.
"""

from __future__ import annotations

import pytest

from tests.simulation.outside import has_children
from tests.simulation.world import simulate

SEEDS = 200
IN_MEMORY, IN_A_FILE = 225, 1144


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_promise_is_broken_in_any_of_these_simulations(seed):
    report = simulate(seed)
    assert not report.trouble, f"make simulate SEED={seed}: {report.trouble[0]}"


def test_a_seed_gives_the_same_history_again():
    reports = [simulate(seed) for seed in (IN_MEMORY, IN_MEMORY, IN_A_FILE, IN_A_FILE)]
    assert reports[0] == reports[1]
    assert reports[2] == reports[3]
    assert reports[0].digest != reports[2].digest
    assert all(report.commits > 50 for report in reports)


def test_a_history_does_not_depend_on_how_quick_os_processes_are():
    seed = next(seed for seed in range(100, 200) if has_children(seed))
    assert simulate(seed) == simulate(seed)
