"""What goes over the wire between a manager and its workers: messages, and how they are framed.

A frame is four bytes of length (big endian) and a message in MessagePack. Nothing is pickled: a message holds
text, numbers and JSON, and a step's code is named by a reference that the manager has resolved itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.executors.failure import Failure
from procactors.model.interrupt import Question

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = struct.Struct(">I")


# To a worker.


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first message: how the worker is to set itself up."""

    path: list[str]
    memory_bytes: int | None
    nice: int


class Run(msgspec.Struct, frozen=True, tag=True):
    """Run a step.

    Attributes:
        reference: Its code, as "module:qualname".
        args: Its positional arguments, as JSON.
        kwargs: Its keyword arguments, as JSON.
        data: Its input, as JSON.
        limit_bytes: How large its output may be, as JSON.
        progress_every_s: How often progress is worth a message.
        levels: Levels of the manager's loggers by name; "" is the root.
        trace: The W3C traceparent of the attempt; None: nobody traces it.
    """

    reference: str
    args: bytes
    kwargs: bytes
    data: bytes
    pid: str
    step: str
    attempt: int
    interrupts: bool
    limit_bytes: int
    progress_every_s: float
    levels: dict[str, int]
    trace: str | None = None


ToWorker = Hello | Run


# From a worker.


class Begun(msgspec.Struct, frozen=True, tag=True):
    """The step has been taken up; said again when its module has been imported for the first time."""


class Progressed(msgspec.Struct, frozen=True, tag=True):
    """The step says how far it is."""

    done: float
    total: float | None
    text: str


class Beat(msgspec.Struct, frozen=True, tag=True):
    """The step says that it is alive."""


class Logged(msgspec.Struct, frozen=True, tag=True):
    """Something was logged.

    Attributes:
        name: The logger's.
        fields: What makes up the record, exception and stack as text.
    """

    name: str
    level: int
    fields: dict[str, Any]


class Done(msgspec.Struct, frozen=True, tag=True):
    """The step has returned; its output as JSON, and what it asks."""

    output: bytes
    question: Question | None


class Broke(msgspec.Struct, frozen=True, tag=True):
    """The step has raised."""

    failure: Failure


FromWorker = Begun | Progressed | Beat | Logged | Done | Broke

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
read_order = msgspec.msgpack.Decoder(ToWorker).decode
read_report = msgspec.msgpack.Decoder(FromWorker).decode


def framed(message: ToWorker | FromWorker) -> bytes:
    """Return a message as it goes over the wire."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Takes in what comes over the wire in any pieces, and gives out whole messages, still encoded."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take in a piece; yield the messages that are whole now."""
        self._held += piece
        while len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield body
