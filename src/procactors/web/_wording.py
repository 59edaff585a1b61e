"""How numbers, moments and payloads are written on a page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors import _wording

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = (("d", 86_400, 2), ("h", 3600, 1), ("min", 60, 1), ("s", 1, 1))
"""Units of time: the word, the seconds in one, and from how many on it is used."""
_SHOWN_MAX = 20_000


def duration(seconds: float) -> str:
    """Return seconds as a person says them, and short ones in milliseconds: "40 ms", "0.4 s", "3 min 5 s"."""
    return f"{max(0.0, seconds) * 1000:.0f} ms" if seconds < 0.0995 else _wording.duration(seconds)


def ago(seconds: float) -> str:
    """Return how long ago something was, as finely as a person asks: "now", "40 s ago", "3 h ago"."""
    whole = int(max(0.0, seconds))
    for unit, size, least in _UNITS:
        if whole >= least * size:
            return f"{whole // size} {unit} ago"
    return "now"


def moment(at: datetime) -> str:
    """Return an instant, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def pretty(value: Any) -> str:
    """Return a value as JSON over several lines; of a very long one the beginning."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "\n... (the API has the rest)"


def words(name: str) -> str:
    """Return the name of a status as words."""
    return name.replace("_", " ")
