"""Forms: which fields a JSON Schema wants, and what a filled-in form says. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException

from procactors.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS_MAX = 500
_PREFIX = "field."
_KINDS = {"boolean": "boolean", "integer": "integer", "number": "number", "string": "text"}
_OF_NUMBERS = {"min": "minimum", "max": "maximum"}
_LIMITS = {"integer": _OF_NUMBERS, "number": _OF_NUMBERS, "text": {"maxlength": "maxLength"}}
_DEEPEST = 8


class Field(msgspec.Struct, frozen=True):
    """One field of a form.

    Attributes:
        name: Its name in the answer.
        kind: "boolean", "integer", "number", "text", "choice", or "json".
        is_required: Whether it has to be filled in.
        choices: What to choose from, each as JSON and as text.
        default: What is filled in before, as text.
        hint: What the schema says of it.
        is_secret: Whether nobody is to see what is filled in.
        limits: What a browser may check already: attributes of its element, and their values.
    """

    name: str
    kind: str
    is_required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    hint: str = ""
    is_secret: bool = False
    limits: tuple[tuple[str, float], ...] = ()

    @property
    def key(self) -> str:
        """Its name in the form."""
        return _PREFIX + self.name


def fields_of(schema: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields of an answer; none if it is not an object with properties: then it is JSON."""
    if schema is None:
        return []
    top = _resolved(schema, schema)
    required = top.get("required", [])
    properties = top.get("properties", {})
    if not isinstance(properties, dict):
        return []
    return [_field(name, part, schema, is_required=name in required) for name, part in properties.items()]


def _field(name: str, part: Any, root: Mapping[str, Any], *, is_required: bool) -> Field:
    resolved = _resolved(part, root)
    hint = str(part.get("description") or resolved.get("description") or "")
    default = part.get("default")
    if choices := resolved.get("enum"):
        shown = tuple((json.dumps(choice), str(choice)) for choice in choices)
        return Field(name, "choice", is_required, shown, "" if default is None else json.dumps(default), hint)
    kind = _KINDS.get(str(resolved.get("type")), "json")
    if default is None:
        text = ""
    else:
        text = default if kind == "text" and isinstance(default, str) else json.dumps(default)
    limits = tuple(
        (attribute, resolved[word])
        for attribute, word in _LIMITS.get(kind, {}).items()
        if type(resolved.get(word)) in {int, float}
    )
    return Field(name, kind, is_required, (), text, hint, limits=limits)


def _resolved(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a schema without references, and of what may be null the rest."""
    for _ in range(_DEEPEST):
        if not isinstance(part, dict):
            return {}
        if "$ref" in part:
            part = root.get("$defs", {}).get(str(part["$ref"]).rpartition("/")[2], {})
            continue
        some = [one for one in part.get("anyOf", []) if one.get("type") != "null"]
        if len(some) != 1:
            return part
        part = some[0]
    return {}


def filled_in(body: bytes) -> dict[str, str]:
    """Return what a form says.

    Raises:
        HTTPException: It is not a form (400).
    """
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX))
    except ValueError as error:
        raise HTTPException(400, f"the form can't be read: {error}") from None


def said_in(form: Mapping[str, str], schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a form says as the body of a request in JSON would; `schema` is that of the answer.

    Raises:
        InvalidDataError: A field is not what its kind is.
    """
    said: dict[str, Any] = {name: form[name] for name in ("reason", "step") if name in form}
    if form.get("data", "").strip():
        said["data"] = json_in("data", form["data"])
    if any(name.startswith(_PREFIX) for name in form):
        said["data"] = {
            field.name: _value(field, form[field.key])
            for field in fields_of(schema)
            if field.key in form and (form[field.key] or (field.kind == "text" and field.is_required))
        }
    return said


def _value(field: Field, text: str) -> Any:
    text = text if field.kind == "text" else text.strip()
    try:
        match field.kind:
            case "text":
                return text
            case "integer":
                return int(text)
            case "number":
                return float(text)
    except ValueError:
        raise InvalidDataError(f"{field.name} must be a number, not {text[:40]!r}") from None
    return json_in(field.name, text)


def json_in(name: str, text: str) -> Any:
    """Return what the field `name` says in JSON.

    Raises:
        InvalidDataError: It is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidDataError(f"{name} is not JSON: {error}") from None
