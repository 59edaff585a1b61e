"""When things happened, as OpenTelemetry wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def nanoseconds(at: datetime) -> int:
    """Return an event's time in nanoseconds since 1970."""
    return round(at.timestamp() * 1_000_000) * 1000


def made_at(pid: str) -> int:
    """Return when a process was made, as its pid (a UUIDv7) says it: in nanoseconds, to the millisecond."""
    return (int(pid, 16) >> 80) * 1_000_000
