"""Text that a store can hold, and any value as text for a message."""

from __future__ import annotations

import pytest

from procactors.model.text import problem_of, shown


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize("text", ["", "ü€😀", "x" * 10_000])
def test_text_is_no_problem(text):
    assert problem_of(text) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "not None"),
        (7, "not 7"),
        (b"x", "not b'x'"),
        (Unprintable(), "Unprintable"),
        ("\ud800", "surrogate"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_no_text_is_said(value, says):
    assert says in problem_of(value)


def test_a_long_value_is_shown_shortened():
    assert shown("x" * 1000, 10) == "'xxxxxxxxx..."
    assert shown([1, 2]) == "[1, 2]"
