"""Pids, and the one source of randomness.

Everything random in the library (pids, jitter of backoff) comes from one `Ids` object, so that a test
that gives it a seed gets the same run again.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from procactors.errors import UnknownProcessError

if TYPE_CHECKING:
    from procactors._clock import Clock

_PID_LENGTH = 32
_HEX_DIGITS = frozenset("0123456789abcdef")
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


class Ids:
    """Makes pids that grow, and jitter."""

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        """Take time from `clock` and randomness from `rng` (default: the system's)."""
        self._clock = clock
        self.random = rng or random.SystemRandom()
        self._last_ms = 0
        self._counter = 0

    def pid(self) -> str:
        """Return a new pid: a UUIDv7 (RFC 9562) as 32 hex digits, larger than any made here before.

        The 12 bits after the time count up within a millisecond (RFC 9562, method 1) from a random
        start; when they overflow, the time is taken to be one millisecond later.
        """
        now_ms = int(self._clock.wall() * 1000)
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            self._counter = self.random.getrandbits(10)
        else:
            self._counter += 1
            if self._counter >> 12:
                self._last_ms += 1
                self._counter = self.random.getrandbits(10)
        tail = self._counter << 64 | self.random.getrandbits(62)
        return f"{self._last_ms << 80 | _VERSION_7 | _VARIANT | tail:032x}"

    def name(self) -> str:
        """Return a short random name for a manager."""
        return f"{self.random.getrandbits(48):012x}"


def checked_pid(pid: object) -> str:
    """Return `pid` in its canonical form.

    Raises:
        UnknownProcessError: It does not have the form of a pid, so no process can have it.
    """
    if isinstance(pid, str):
        digits = pid.replace("-", "").lower()
        if len(digits) == _PID_LENGTH and _HEX_DIGITS.issuperset(digits):
            return digits
    problem = f"{pid!r} is not a pid: a pid is 32 hex digits, as `start` returns them"
    raise UnknownProcessError(problem, pid=pid if isinstance(pid, str) else None)
