"""When a failed actor starts again: backoff and budget, as plain arithmetic.

Source: OTP's supervisors (intensity and period), but with a budget for each child, so that one bad
child does not end its siblings, and with a delay that grows, so that a broken dependency is not
hammered.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

import msgspec


class Restart(Enum):
    """Whether an actor starts again after it failed."""

    PERMANENT = "permanent"
    """It does, within its budget."""
    TEMPORARY = "temporary"
    """It never does."""


class Strategy(Enum):
    """Whom a failure concerns."""

    ONE_FOR_ONE = "one_for_one"
    """Only the actor that failed. When its budget is used up it stays down, the others go on."""
    REST_FOR_ONE = "rest_for_one"
    """Also those that were started after it, as they may depend on it; when the budget is used up,
    the supervisor stops them all and fails itself."""


class Backoff(msgspec.Struct, frozen=True):
    """The delay before restart number n (1, 2, ...): `first_s * factor ** (n - 1)`, at most `most_s`.

    With `jitter` the delay is drawn from the upper half of that, so that actors that failed together
    do not come back together.
    """

    first_s: float = 0.05
    factor: float = 2.0
    most_s: float = 10.0
    jitter: bool = True

    def delay(self, number: int, draw: float) -> float:
        """Return the seconds to wait before restart `number`; `draw` is a random number in [0, 1)."""
        try:
            full = min(self.first_s * self.factor ** (number - 1), self.most_s)
        except OverflowError:
            full = self.most_s if self.first_s else 0
        return full * (0.5 + draw / 2) if self.jitter else full


class Budget(msgspec.Struct, frozen=True):
    """How many restarts a child may have: `restarts` within any `window_s` seconds."""

    restarts: int = 5
    window_s: float = 30.0


class RestartLog:
    """The restarts of one child within its window."""

    __slots__ = ("_budget", "_times")

    def __init__(self, budget: Budget) -> None:
        """Begin with none."""
        self._budget = budget
        self._times: deque[float] = deque()

    def record(self, now: float) -> int | None:
        """Note a failure at `now` (seconds, monotonic) and return its number within the window.

        Returns:
            1 for the first, and so on; None if the budget is used up.
        """
        while self._times and self._times[0] <= now - self._budget.window_s:
            self._times.popleft()
        if len(self._times) >= self._budget.restarts:
            return None
        self._times.append(now)
        return len(self._times)
