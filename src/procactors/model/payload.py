"""Data as it is stored: JSON, through msgspec, within a size limit.

What JSON can't hold is refused with an error that names the field, here and not in the store. Types
that msgspec writes as JSON (datetimes, enums, dataclasses, structs, sets, bytes) come back as the plain
JSON value, or as the type that the next step's first parameter names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from procactors.errors import InvalidDataError, PayloadTooLargeError
from procactors.model.text import shown

Payload = msgspec.Raw
"""Encoded JSON."""

EMPTY = Payload(b"{}")
"""What a process is given that is given no data."""

_REFUSALS = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


def _plain(value: Any) -> Any:
    """Let models that can dump themselves (pydantic's) do so."""
    dump = getattr(value, "model_dump", None)
    if dump is None or isinstance(value, type):
        raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")
    return dump(mode="json")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
_decode = msgspec.json.Decoder().decode


def encode(value: Any, limit_bytes: int, what: str) -> Payload:
    """Return `value` as JSON.

    Args:
        value: Anything that msgspec can write as JSON.
        limit_bytes: The largest size allowed, in bytes of JSON.
        what: What is encoded, for the error: "the output of step fetch".

    Raises:
        InvalidDataError: Some part of it is not JSON-able; the message names the field.
        PayloadTooLargeError: It is larger than the limit.
    """
    try:
        data = _encode(value)
    except _REFUSALS as error:
        culprit, reason = _culprit(value, "", error)
        raise InvalidDataError(f"{what} is not JSON-able: {_field(culprit)} {reason}") from error
    if len(data) > limit_bytes:
        raise PayloadTooLargeError(
            f"{what} has {len(data):,} bytes as JSON, more than the limit of {limit_bytes:,}"
            " (options.payload_limit_bytes); store it elsewhere and pass its path, key or URL instead"
        )
    if b"null" in data and (path := _path_of_nan(value, "")) is not None:
        raise InvalidDataError(f"{what} is not JSON-able: {_field(path)} is not a finite number")
    return Payload(data)


def decode(data: bytes | Payload) -> Any:
    """Return the plain value of stored JSON, freshly made.

    Raises:
        InvalidDataError: It is not JSON, or too deeply nested.
    """
    try:
        return _decode(data)
    except _REFUSALS as error:
        raise InvalidDataError(f"stored data can't be decoded: {error}") from error


def _field(path: str) -> str:
    return f"field {path.lstrip('.')}" if path else "it"


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f".{key}", part) for key, part in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, msgspec.Struct):
        return [(f".{name}", getattr(value, name)) for name in value.__struct_fields__]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return [(f".{name}", getattr(value, name)) for name in value.__dataclass_fields__]
    return []


def _culprit(value: Any, path: str, error: Exception) -> tuple[str, str]:
    """Find the innermost part that can't be encoded, and why."""
    if isinstance(error, RecursionError):
        return path, "contains itself or is nested too deeply"
    for name, part in _parts(value):
        try:
            _encode(part)
        except _REFUSALS as inner:
            return _culprit(part, path + name, inner)
    if isinstance(value, str):
        return path, f"is text with a lone surrogate: {shown(value)}"
    if isinstance(value, Mapping):
        return path, f"has a key that is not text: {shown(list(value)[:5])}"
    return path, f"is a {type(value).__module__}.{type(value).__qualname__}: {shown(value)}"


def _path_of_nan(value: Any, path: str) -> str | None:
    """Find a NaN or an infinity, which msgspec would silently write as null."""
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    for name, part in _parts(value):
        if (found := _path_of_nan(part, path + name)) is not None:
            return found
    return None
