"""How durations and numbers are written for people."""

from __future__ import annotations

import pytest

from procactors._wording import duration, number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3600, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (4 * 86_400 + 5, "4 d"),
    ],
)
def test_duration_is_said_as_a_person_would(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(1500.0, "1,500"), (0.5, "0.5"), (-2, "-2")])
def test_a_number_has_no_more_digits_than_it_needs(value, text):
    assert number(value) == text
