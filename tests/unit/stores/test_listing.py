"""Where the texts end that begin alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procactors.stores._listing import beyond


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a", "b"),
        ("order-", "order."),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", ""),
        ("", ""),
        ("\ud7ff", "\ue000"),
    ],
)
def test_the_end_is_the_first_text_that_begins_otherwise(text, end):
    assert beyond(text) == end


@given(st.text(min_size=1), st.text())
def test_all_that_begins_alike_is_before_the_end(text, rest):
    end = beyond(text)
    if end:
        assert text <= text + rest < end
        assert not end.startswith(text)
        assert end.encode() > (text + rest).encode()
