"""Bodies of requests: JSON of a known shape, and never more of it than the store would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException

from procactors.errors import InvalidDataError, PayloadTooLargeError

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_AROUND_PAYLOAD_BYTES = 65_536  # names, keys, spaces between


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which process to start: its name, its first step's input, and a key to start it only once."""

    name: str
    data: Any = None
    key: str | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is merged over the data of an interrupted process."""

    data: Any = None


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a process is cancelled."""

    reason: str = ""


class AtStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a step."""

    step: str


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a fork begins, and the input of that step; null: what it was."""

    step: str
    data: Any = None


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a definition; null: all of them."""

    name: str | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say."""


def content_type(request: Request) -> str:
    """Return the media type of a request's body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read(request: Request, limit_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        PayloadTooLargeError: It is larger than any payload may be.

    Cancellation: the rest is not read.
    """
    most = limit_bytes + _AROUND_PAYLOAD_BYTES
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise PayloadTooLargeError(
                f"the request's body is larger than {most} bytes; store the data elsewhere and hand on its"
                " path, key or URL"
            )
    return bytes(body)


def decoded(body: bytes, kind: type[T]) -> T:
    """Return what a JSON body says; an empty one says nothing.

    Raises:
        HTTPException: It is not JSON (400).
        InvalidDataError: It has not this shape.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise InvalidDataError(f"the request's body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the request's body is not JSON: {error}") from None
    except RecursionError:
        raise HTTPException(400, "the request's body is nested too deeply") from None


def fitting(said: dict[str, Any], kind: type[T]) -> T:
    """Return what a form says, in the shape of a body.

    Raises:
        InvalidDataError: It has not this shape.
    """
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise InvalidDataError(f"the form does not fit: {error}") from None
