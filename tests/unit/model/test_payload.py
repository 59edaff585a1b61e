from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from procactors.errors import InvalidDataError
from procactors.model import payload

LIMIT = 1000


class Shelf(msgspec.Struct):
    books: list[Any]


@dataclass
class Room:
    shelf: Any


class Model:
    """As pydantic's."""

    def model_dump(self, *, mode):
        return {"mode": mode}


class Odd:
    def __repr__(self):
        return "<odd>"


def refusal(value):
    with pytest.raises(InvalidDataError) as caught:
        payload.encode(value, LIMIT, "the data")
    return str(caught.value)


def test_a_model_that_can_dump_itself_does():
    assert payload.decode(payload.encode({"a": Model()}, LIMIT, "the data")) == {"a": {"mode": "json"}}


def test_the_class_of_a_model_is_no_model():
    assert "field a is a builtins.type" in refusal({"a": Model})


def test_the_field_is_named_through_structs_and_dataclasses():
    odd = refusal({"room": Room(Shelf([1, Odd()]))})
    assert f"field room.shelf.books[1] is a {__name__}.Odd: <odd>" in odd


def test_a_key_that_is_no_text_is_shown_with_its_mapping():
    assert "field a has a key that is not text: [(1, 2)]" in refusal({"a": {(1, 2): "x"}})


def test_text_with_a_lone_surrogate_is_shown():
    assert "field a[0] is text with a lone surrogate" in refusal({"a": ["\ud800"]})


def test_what_contains_itself_is_told_so():
    circle = []
    circle.append(circle)
    assert "contains itself" in refusal({"a": circle})


@pytest.mark.parametrize("stored", [b"{", b"[" * 100_000, b"\xff"])
def test_what_is_stored_and_is_no_json_is_refused(stored):
    with pytest.raises(InvalidDataError, match="stored data can't be decoded"):
        payload.decode(stored)
