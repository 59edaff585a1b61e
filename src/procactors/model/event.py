"""The facts in a process's history: one tagged union of frozen structs.

An event is named by a past participle, because it has happened: what is decided is in the event, and
`procactors.model.state` folds events into the state. Stored as JSON with the class's name as its type;
readers ignore types that they don't know, so that an older program can read a newer one's history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import msgspec

from procactors.errors import ErrorInfo


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, tag_field="type", gc=False
):
    pid: str = ""
    seq: int = 0
    position: int = 0
    at: datetime


class _StepEvent(_Event, frozen=True, kw_only=True, gc=False):
    step: str
    attempt: int = 1


class ProcessQueued(_Event, frozen=True, kw_only=True):
    """The process is stored, with its plan and its input, and waits for a slot.

    A fork begins at `step`, and names the process that it was `forked_from`. `trace` is the W3C traceparent
    of who started it.
    """

    name: str
    definition: Any
    data: Any = None
    key: str | None = None
    tags: tuple[str, ...] = ()
    priority: int = 0
    parent_pid: str | None = None
    depth: int = 0
    step: str | None = None
    forked_from: str | None = None
    group: str | None = None
    trace: str | None = None


class ProcessStarted(_Event, frozen=True, kw_only=True):
    """A manager took it up for the first time."""

    owner: str = ""


class ProcessReleased(_Event, frozen=True, kw_only=True):
    """Its manager gave it back, as it was told to stop; this costs no attempt."""


class ProcessRecovered(_Event, frozen=True, kw_only=True):
    """Its manager died; it goes on from its last checkpoint."""

    owner: str = ""
    reason: str = ""


class StepStarted(_StepEvent, frozen=True, kw_only=True, gc=False):
    """An attempt of a step begins after this is stored."""


class StepProgressed(_StepEvent, frozen=True, kw_only=True, gc=False):
    """How far a running step is. Not history: only the newest is kept, under its predecessor's seq."""

    done: float = 0
    total: float | None = None
    text: str = ""


class StepFinished(_StepEvent, frozen=True, kw_only=True):
    """The checkpoint: the step is over for good, and this is its output."""

    output: Any = None
    payload_seq: int = 0


class StepFailed(_StepEvent, frozen=True, kw_only=True):
    """An attempt of a step failed."""

    error: ErrorInfo
    counts: bool = True


class StepRetryScheduled(_StepEvent, frozen=True, kw_only=True):
    """The step is tried again at `due_at`, as attempt number `attempt`."""

    due_at: datetime


class StepSkipped(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The step was skipped by hand; its input goes to the next one unchanged."""


class ProcessInterrupted(_Event, frozen=True, kw_only=True):
    """The process waits for an answer, after the checkpoint of `step`."""

    step: str
    data: Any = None
    schema: dict[str, Any] | None = None
    schema_type: str | None = None
    deadline_at: datetime | None = None
    on_timeout: Any = None
    payload_seq: int = 0


class ProcessProceeded(_Event, frozen=True, kw_only=True):
    """The answer came; `data` is the merged input of the next step."""

    data: Any = None
    timed_out: bool = False


class ProcessWaiting(_Event, frozen=True, kw_only=True):
    """The step waits for its children."""

    step: str


class ProcessSleeping(_Event, frozen=True, kw_only=True):
    """The process sleeps until `due_at`; this does not count towards its timeout."""

    due_at: datetime
    step: str | None = None


class ProcessResumed(_Event, frozen=True, kw_only=True):
    """A manager took it up again."""

    owner: str = ""


class ProcessBlocked(_Event, frozen=True, kw_only=True):
    """No manager can resolve its next step."""

    step: str
    reason: str = ""


class DeadlineExtended(_Event, frozen=True, kw_only=True):
    """Its queue was paused for so many seconds, which do not count towards its timeout."""

    seconds: float


class ProcessCancelRequested(_Event, frozen=True, kw_only=True):
    """Somebody wants it to end; no further step starts."""

    reason: str = ""


class ProcessRewound(_Event, frozen=True, kw_only=True):
    """It goes back to `step`, with the input that step had."""

    step: str
    data_seq: int


class ProcessRetried(_Event, frozen=True, kw_only=True):
    """It had failed and goes on from its failed step."""

    step: str


class ProcessUndoing(_Event, frozen=True, kw_only=True):
    """It will end as `end` says; before that, its completed steps are undone, the last one first."""

    end: str
    error: ErrorInfo | None = None
    reason: str = ""


class UndoStarted(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The compensation of a completed step begins."""


class UndoFinished(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The compensation of a step is over."""


class UndoFailed(_StepEvent, frozen=True, kw_only=True):
    """An attempt of a compensation failed; it is tried again at `due_at`, or never."""

    error: ErrorInfo
    counts: bool = True
    due_at: datetime | None = None


class DeferredUpdateFailed(_StepEvent, frozen=True, kw_only=True):
    """An update that a step had deferred failed; the step did not."""

    origin: str
    error: ErrorInfo


class ProcessFinished(_Event, frozen=True, kw_only=True):
    """Every step is over; `output` is that of the last one."""

    output: Any = None
    payload_seq: int = 0


class ProcessFailed(_Event, frozen=True, kw_only=True):
    """It ended with an error."""

    error: ErrorInfo


class ProcessTimedOut(_Event, frozen=True, kw_only=True):
    """It ran into its own deadline, or its interrupt was not answered in time."""

    error: ErrorInfo | None = None


class ProcessCancelled(_Event, frozen=True, kw_only=True):
    """It was cancelled."""

    reason: str = ""


ProcessEvent = (
    ProcessQueued
    | ProcessStarted
    | ProcessReleased
    | ProcessRecovered
    | StepStarted
    | StepProgressed
    | StepFinished
    | StepFailed
    | StepRetryScheduled
    | StepSkipped
    | ProcessInterrupted
    | ProcessProceeded
    | ProcessWaiting
    | ProcessSleeping
    | ProcessResumed
    | ProcessBlocked
    | DeadlineExtended
    | ProcessCancelRequested
    | ProcessRewound
    | ProcessRetried
    | ProcessUndoing
    | UndoStarted
    | UndoFinished
    | UndoFailed
    | DeferredUpdateFailed
    | ProcessFinished
    | ProcessFailed
    | ProcessTimedOut
    | ProcessCancelled
)
"""Any event. All have `pid`, `seq` (1, 2, ... within the process), `at` (UTC), `position` (grows in commit
order over the whole store)."""

ENDINGS = (ProcessFinished, ProcessFailed, ProcessTimedOut, ProcessCancelled)

EVENT_CLASSES: tuple[type, ...] = get_args(ProcessEvent)

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


class RawPayload(msgspec.Struct):
    """Reads from an event's body only the payload, and leaves it encoded."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""


_decode_raw = msgspec.json.Decoder(RawPayload).decode


def raw_payload(body: bytes | str) -> msgspec.Raw:
    """Return the payload in an event's stored body, still encoded."""
    read = _decode_raw(body)
    return read.output if read.type == "StepFinished" else read.data
