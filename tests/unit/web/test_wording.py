"""How numbers and times are written on a page."""

from __future__ import annotations

import pytest

from procactors.web._wording import ago, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "now"),
        (0.9, "now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (172_799, "47 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_how_long_ago_something_was_is_said_in_one_unit(seconds, words):
    assert ago(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 ms"), (0.04, "40 ms"), (0.4, "0.4 s"), (12, "12 s"), (185, "3 min 5 s")]
)
def test_a_duration_is_said_in_at_most_two_units(seconds, words):
    assert duration(seconds) == words
