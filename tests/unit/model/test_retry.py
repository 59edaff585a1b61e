"""The arithmetic of retries."""

from __future__ import annotations

import pytest

from procactors import InvalidDefinitionError, Retry
from procactors.actors import Backoff


@pytest.mark.parametrize("failures", [1, 2, 1024, 1025, 1026, 10**6])
@pytest.mark.parametrize("factor", [2, 2.0, 1.5])
def test_what_is_tried_again_at_once_is_so_however_often(failures, factor):
    assert Retry(attempts=10**7, delay=0, factor=factor).seconds_after(failures, 0.5) == 0
    assert Backoff(first_s=0.0, factor=float(factor)).delay(failures, 0.5) == 0


@pytest.mark.parametrize("factor", [2, 2.0])
def test_delays_grow_up_to_their_limit_however_often(factor):
    retry = Retry(attempts=10**7, delay=1, factor=factor, max_delay=60, jitter=False)
    assert [retry.seconds_after(n, 0.5) for n in (1, 2, 3, 7, 1025, 5000)] == [1, 2, 4, 60, 60, 60]


def test_jitter_takes_up_to_half_of_the_delay():
    retry = Retry(delay=8, jitter=True)
    assert [retry.seconds_after(1, draw) for draw in (0, 0.5)] == [4, 6]


@pytest.mark.parametrize("field", ["attempts", "delay", "factor", "max_delay"])
@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**400], ids=["inf", "nan", "huge"])
def test_what_can_not_be_stored_as_a_number_is_refused(field, number):
    with pytest.raises(InvalidDefinitionError, match=f"{field} must be"):
        Retry(**{field: number})
