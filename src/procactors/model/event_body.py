"""Events as they are stored, and as readers get them.

A row holds an event's body: all of it but pid, seq and position, which are columns. A payload is stored once:
where two events of a process have the same one, the later of them points to the earlier.
"""

from __future__ import annotations

from typing import Any

import msgspec

from procactors.model.event import (
    EVENT_CLASSES,
    ProcessEvent,
    ProcessFinished,
    ProcessInterrupted,
    StepFinished,
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ProcessEvent).decode


class _Tagged(msgspec.Struct):
    type: str


_tag_of = msgspec.json.Decoder(_Tagged).decode
_KNOWN = frozenset(kind.__name__ for kind in EVENT_CLASSES)
_PAYLOAD_FIELDS: dict[Any, str] = {
    StepFinished: "output",
    ProcessInterrupted: "data",
    ProcessFinished: "output",
}
_ENCODED_FIELDS: dict[Any, tuple[str, ...]] = {
    kind: tuple(field for field in ("data", "output", "definition", "on_timeout") if hasattr(kind, field))
    for kind in EVENT_CLASSES
}
"""Where a committed event may hold JSON that is still encoded."""


def encode_body(event: ProcessEvent) -> bytes:
    """Return what is stored of an event: all but pid, seq and position, which are the row's.

    A payload that another event of the process holds already is not stored again.
    """
    if getattr(event, "payload_seq", 0):
        event = msgspec.structs.replace(event, **{_PAYLOAD_FIELDS[type(event)]: None})
    return _encode(event)


def decode_body(
    body: bytes | str, pid: str, seq: int, position: int, payload: bytes | str | None = None
) -> ProcessEvent | None:
    """Return the event of a stored row, all of it plain and freshly made.

    Args:
        body: What `encode_body` returned.
        pid: The process.
        seq: Its number within the process.
        position: Its number within the store.
        payload: Body of the event that `payload_seq` points to, if it points to one.

    Returns:
        The event; None if its type is not known to this version.
    """
    try:
        event = _decode(body)
    except msgspec.ValidationError:
        if _tag_of(body).type in _KNOWN:
            raise
        return None
    values: dict[str, Any] = {"pid": pid, "seq": seq, "position": position}
    if payload is not None:
        values[_PAYLOAD_FIELDS[type(event)]] = payload_in(_decode(payload))
    return _with(event, values)


def document(event: ProcessEvent) -> dict[str, Any]:
    """Return an event for other programs: its class's name as `type`, and every field, defaults too."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    whole: dict[str, Any] = msgspec.to_builtins({"type": type(event).__name__, **fields})
    return whole


def numbered(event: ProcessEvent, pid: str, seq: int, position: int) -> ProcessEvent:
    """Return a committed event with its numbers, its payload as it was."""
    return _with(event, {"pid": pid, "seq": seq, "position": position})


def fresh(event: ProcessEvent) -> ProcessEvent:
    """Return an event as one subscriber gets it: its payload plain, and nobody else's."""
    values: dict[str, Any] = {}
    for field in _ENCODED_FIELDS[type(event)]:
        value = getattr(event, field)
        if type(value) is msgspec.Raw:
            values[field] = msgspec.json.decode(value)
    return _with(event, values) if values else event


def _with(event: ProcessEvent, values: dict[str, Any]) -> ProcessEvent:
    return msgspec.structs.replace(event, **values)


def payload_in(event: Any) -> Any:
    """Return the data that an event holds for what comes after it."""
    return event.output if isinstance(event, StepFinished | ProcessFinished) else event.data


class _RawPayload(msgspec.Struct):
    """Reads from an event's body only the payload, and leaves it encoded."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""


_decode_raw = msgspec.json.Decoder(_RawPayload).decode


def raw_payload(body: bytes | str) -> msgspec.Raw:
    """Return the payload in an event's stored body, still encoded."""
    read = _decode_raw(body)
    return read.output if read.type == "StepFinished" else read.data
