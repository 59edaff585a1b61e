"""How texts, numbers and moments are written for people. Pure."""

from __future__ import annotations

import shlex
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from procactors._wording import number

if TYPE_CHECKING:
    from datetime import datetime

SHORT_PID = 16
"""So many digits of a pid are its time and a count: enough to tell one manager's processes apart."""


def clean(text: str) -> str:
    """Return the text on one line, without anything that a terminal would obey."""
    return "".join(map(_harmless, text))


def _harmless(char: str) -> str:
    if char in "\n\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char)[0] == "C" else char


def short(pid: str) -> str:
    """Return the digits of a pid that are enough to name it on the command line."""
    return pid[:SHORT_PID]


def size(count: float) -> str:
    """Return a number of bytes as "512 B", "4.2 KiB", "31 MiB"."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}" if count < 100 else f"{count:.0f} {unit}"
    return f"{count / 1024:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """Return so many of something: "1 group", "2 groups"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def amount(done: float, total: float | None, text: str) -> str:
    """Return how far a step is: "122 of 200 pages"."""
    of = f" of {number(total)}" if total else ""
    return f"{number(done)}{of} {clean(text)}".rstrip()


def moment(at: datetime) -> str:
    """Return an instant in local time, to the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(at: datetime) -> str:
    """Return the time of day of an instant, in local time."""
    return at.astimezone().strftime("%H:%M:%S")


def pretty_json(value: Any) -> str:
    """Return a value as JSON over several lines."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def command(*words: str) -> str:
    """Return a command line of `procactors`, quoted so that a shell reads these words."""
    return shlex.join(["procactors", *words])
