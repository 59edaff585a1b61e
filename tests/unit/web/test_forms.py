"""Forms made of JSON Schemas, as msgspec writes them, and what filled-in ones say."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from starlette.exceptions import HTTPException

from procactors.errors import InvalidDataError
from procactors.web._forms import fields_of, filled_in, said_in


class Address(msgspec.Struct):
    town: str


class Order(msgspec.Struct):
    approved: bool
    size: Literal["S", "L"]
    name: str
    count: int = 3
    price: float | None = None
    address: Address | None = None


SCHEMA = msgspec.json.schema(Order)


def test_each_property_is_a_field_of_its_kind():
    found = {field.name: (field.kind, field.is_required, field.default) for field in fields_of(SCHEMA)}
    assert found == {
        "approved": ("boolean", True, ""),
        "size": ("choice", True, ""),
        "name": ("text", True, ""),
        "count": ("integer", False, "3"),
        "price": ("number", False, ""),
        "address": ("json", False, ""),
    }


def test_limits_of_the_schema_are_limits_of_the_field():
    class Limited(msgspec.Struct):
        count: Annotated[int, msgspec.Meta(ge=1, le=10)]
        price: Annotated[float, msgspec.Meta(ge=0.5)] | None = None
        name: Annotated[str, msgspec.Meta(max_length=20)] = ""
        odd: bool = True

    found = {field.name: dict(field.limits) for field in fields_of(msgspec.json.schema(Limited))}
    assert found == {
        "count": {"min": 1, "max": 10},
        "price": {"min": 0.5},
        "name": {"maxlength": 20},
        "odd": {},
    }
    forged = {"properties": {"a": {"type": "integer", "minimum": '"><b>', "maximum": True}}}
    assert fields_of(forged)[0].limits == ()


@pytest.mark.parametrize(
    "schema",
    [None, {}, {"type": "array"}, {"$ref": "#/$defs/gone"}, {"$ref": "x", "$defs": {"x": {"$ref": "x"}}}],
)
def test_what_is_no_object_has_no_fields(schema):
    assert fields_of(schema) == []


def test_a_filled_in_form_says_what_the_schema_wants():
    form = {"field.approved": "false", "field.size": '"L"', "field.name": "", "field.count": " 4 "}
    form |= {"field.price": "1.5", "field.address": '{"town": "Ulm"}', "field.odd": "1", "token": "t"}
    answer = {
        "approved": False,
        "size": "L",
        "name": "",
        "count": 4,
        "price": 1.5,
        "address": {"town": "Ulm"},
    }
    assert said_in(form, SCHEMA) == {"data": answer}
    assert msgspec.convert(answer, Order)


def test_what_is_left_empty_is_left_out():
    form = {"field.approved": "", "field.size": "", "field.name": "x", "field.count": "", "field.price": ""}
    assert said_in(form, SCHEMA) == {"data": {"name": "x"}}


@pytest.mark.parametrize(
    ("field", "text"), [("count", "x"), ("price", "1,5"), ("address", "{"), ("address", "[" * 9999)]
)
def test_what_does_not_fit_is_named(field, text):
    with pytest.raises(InvalidDataError, match=field):
        said_in({f"field.{field}": text}, SCHEMA)


def test_data_may_be_json_and_other_fields_are_words():
    assert said_in({"data": "[1]", "step": "a", "reason": ""}) == {"data": [1], "step": "a", "reason": ""}
    assert said_in({"data": "  "}) == {}


@pytest.mark.parametrize("body", [b"\xff=1", b"&".join(b"a=1" for _ in range(600))])
def test_what_is_no_form_is_refused(body):
    with pytest.raises(HTTPException) as raised:
        filled_in(body)
    assert raised.value.status_code == 400
