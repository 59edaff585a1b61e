"""Backoff and budget: plain arithmetic, checked against what it promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procactors.actors import Backoff, Budget
from procactors.actors._restart import RestartLog

backoffs = st.builds(
    Backoff,
    first_s=st.floats(min_value=0, max_value=100),
    factor=st.floats(min_value=1, max_value=10),
    most_s=st.floats(min_value=0, max_value=1000),
    jitter=st.booleans(),
)
draws = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_delay_doubles_up_to_the_most():
    backoff = Backoff(first_s=1, factor=2, most_s=5, jitter=False)
    assert [backoff.delay(number, 0.3) for number in range(1, 6)] == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(("draw", "delay"), [(0.0, 0.5), (0.5, 0.75), (0.999, 0.9995)])
def test_jitter_draws_from_the_upper_half(draw, delay):
    assert Backoff(first_s=1).delay(1, draw) == pytest.approx(delay)


def test_number_too_large_for_floats_gives_the_most():
    assert Backoff(factor=10, jitter=False).delay(10_000, 0) == 10


@given(backoffs, st.integers(min_value=1, max_value=2000), draws)
def test_delay_stays_within_its_bounds(backoff, number, draw):
    delay = backoff.delay(number, draw)
    assert 0 <= delay <= backoff.most_s
    full = Backoff(backoff.first_s, backoff.factor, backoff.most_s, jitter=False).delay(number, draw)
    assert full / 2 <= delay <= full


@given(backoffs, st.integers(min_value=1, max_value=500), draws)
def test_delay_never_shrinks_from_one_restart_to_the_next(backoff, number, draw):
    assert backoff.delay(number, draw) <= backoff.delay(number + 1, draw)


def test_failures_are_numbered_within_the_window_until_the_budget_is_used_up():
    log = RestartLog(Budget(restarts=2, window_s=10))
    assert [log.record(now) for now in (0, 1, 2, 9.9, 10, 10.5, 11)] == [1, 2, None, None, 2, None, 2]


def test_budget_of_nothing_allows_nothing():
    assert RestartLog(Budget(restarts=0)).record(0) is None


@given(
    st.integers(min_value=0, max_value=5),
    st.floats(min_value=0.1, max_value=100),
    st.lists(st.floats(min_value=0, max_value=50), max_size=40),
)
def test_log_counts_as_a_plain_list_of_times_would(restarts, window_s, gaps):
    log, granted, now = RestartLog(Budget(restarts, window_s)), [], 0.0
    for gap in gaps:
        now += gap
        recent = [time for time in granted if time > now - window_s]
        number = log.record(now)
        if len(recent) < restarts:
            granted.append(now)
            assert number == len(recent) + 1
        else:
            assert number is None
