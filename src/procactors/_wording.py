"""How durations and numbers are written for people, on pages as in terminals. Pure."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def duration(seconds: float) -> str:
    """Return seconds as a person says them: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d"."""
    seconds = max(0.0, seconds)
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


def number(value: float) -> str:
    """Return a number with its thousands set apart, and no more digits than it needs."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
