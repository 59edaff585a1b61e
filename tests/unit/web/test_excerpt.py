"""The beginning of a payload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from procactors.web._excerpt import excerpt

payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def parts_of(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return len(inner) + sum(parts_of(one) for one in inner)


def test_what_is_left_out_is_counted():
    assert excerpt({"rows": list(range(3000)), "name": "x"}, 4) == {
        "rows": [0, 1, 2, "… 2,997 more"],
        "…": "1 more",
    }
    assert excerpt([[1, 2], [3]], 2) == [[1, "… 1 more"], "… 1 more"]
    assert excerpt("x" * 20_001) == "x" * 20_000 + "… 1 more"


@given(payloads)
def test_what_is_small_is_whole(value):
    assert excerpt(value, parts_of(value)) == value


@given(payloads, st.integers(0, 20))
def test_there_are_never_many_more_parts_than_there_is_room_for(value, room):
    assert parts_of(excerpt(value, room)) <= 2 * room + 1
