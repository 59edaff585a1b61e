"""One decision in each kind of type that data may have."""

from __future__ import annotations

import dataclasses
import typing

import attrs
import msgspec


class Struct(msgspec.Struct):
    approved: bool
    note: str = ""


@dataclasses.dataclass
class Data:
    approved: bool
    note: str = ""


class Typed(typing.TypedDict):
    approved: bool


@attrs.define
class Attrs:
    approved: bool
    note: str = ""
