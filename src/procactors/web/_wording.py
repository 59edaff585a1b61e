"""How numbers, moments and payloads are written on a page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_SHOWN_MAX = 20_000


def duration(seconds: float) -> str:
    """Return seconds as a person says them: "40 ms", "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d"."""
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d"


def ago(seconds: float) -> str:
    """Return how long ago something was, as finely as a person asks: "now", "40 s ago", "3 h ago"."""
    whole = int(max(0.0, seconds))
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1)):
        if whole >= (2 * size if unit == "d" else size):
            return f"{whole // size} {unit} ago"
    return "now"


def moment(at: datetime) -> str:
    """Return an instant, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float) -> str:
    """Return a number with its thousands set apart, and no more digits than it needs."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def pretty(value: Any) -> str:
    """Return a value as JSON over several lines; of a very long one the beginning."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "\n... (the API has the rest)"


def words(name: str) -> str:
    """Return the name of a status as words."""
    return name.replace("_", " ")
