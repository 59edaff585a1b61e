"""A step that is nothing but a pause: durable, and without memory while it lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError

LONGEST_S = 1e10
"""The longest wait (seconds, 300 years): what is longer leads out of the calendar."""


def moment_after(at: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later, within the calendar."""
    return at + timedelta(seconds=min(seconds, LONGEST_S))


class Sleep(msgspec.Struct, frozen=True):
    """A step that waits: `Sleep(3600)`, or `Sleep(until=datetime(2027, 1, 1, tzinfo=UTC))`.

    The process is `sleeping` meanwhile, owned by nobody, and costs a row in the store. The time does not
    count towards its timeout. The step's output is its input.

    Attributes:
        seconds: How long, from when the step begins, >= 0.
        until: Until when, with a time zone; a moment that is past is no pause. Exactly one of the two.

    Raises:
        InvalidDefinitionError: Neither or both are given, or one is out of its range.
    """

    seconds: float | None = None
    until: datetime | None = msgspec.field(default=None)

    def __post_init__(self) -> None:
        """Check that it says one thing."""
        if (self.seconds is None) == (self.until is None):
            raise InvalidDefinitionError("a Sleep takes seconds or until=, exactly one of them")
        if self.until is None:
            _check_seconds(self.seconds)
        elif not isinstance(self.until, datetime) or self.until.tzinfo is None:
            raise InvalidDefinitionError(
                f"Sleep: until must be a datetime with a time zone, not {self.until!r}"
            )

    def ends_at(self, began_at: datetime) -> datetime:
        """Return when a pause is over that began at `began_at`: never before that, or beyond the calendar."""
        if self.until is not None:
            return min(max(began_at, self.until), moment_after(began_at, LONGEST_S)).astimezone(UTC)
        assert self.seconds is not None
        return began_at + timedelta(seconds=self.seconds)

    def to_spec(self) -> float | str:
        """Return it as plain data: seconds, or the moment as ISO 8601."""
        return self.until.isoformat() if self.until is not None else self.seconds or 0

    @classmethod
    def from_spec(cls, spec: Any) -> Sleep:
        """Return what `to_spec` wrote.

        Args:
            spec: Seconds, or a moment in ISO 8601.

        Raises:
            InvalidDefinitionError: It is neither seconds nor a moment.
        """
        if not isinstance(spec, str):
            return cls(spec)
        try:
            return cls(until=datetime.fromisoformat(spec))
        except ValueError as error:
            raise InvalidDefinitionError(f"Sleep: {spec!r} is no moment in ISO 8601: {error}") from None


def _check_seconds(seconds: Any) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_S:
        raise InvalidDefinitionError(
            f"Sleep: must be a number of seconds from 0 to {LONGEST_S:g}, not {seconds!r}"
        )
