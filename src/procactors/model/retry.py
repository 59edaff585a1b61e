"""How often a failed step is tried again, and when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError
from procactors.model.text import shown

EVERY = ("*",)
_LARGEST = 1e300


class Retry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A step's retry policy: exponential backoff with jitter and a cap. Durable; holds no slot.

    The delay after failure number n is `delay * factor ** (n - 1)`, at most `max_delay`.

    Attributes:
        attempts: How often the step may run in all, the first time included, >= 1.
        delay: Seconds before the second attempt, >= 0.
        factor: What the delay is multiplied by after each further failure, >= 1.
        max_delay: The longest delay in seconds, >= 0.
        jitter: Draw each delay from the upper half of what it would be.
        on: Which errors are worth another attempt: names of exception classes, bare ("OSError") or
            qualified ("httpx.ReadTimeout"), matched along the MRO; "*" matches all. Classes are
            turned into their names.

    Raises:
        InvalidDefinitionError: A number is out of its range.
    """

    attempts: int = 3
    delay: float = 1
    factor: float = 2
    max_delay: float = 60
    jitter: bool = True
    on: tuple[str, ...] = EVERY

    def __post_init__(self) -> None:
        """Check the ranges, and turn classes into names."""
        msgspec.structs.force_setattr(self, "on", _named(self.on))
        for field, least in (("attempts", 1), ("delay", 0), ("factor", 1), ("max_delay", 0)):
            value = getattr(self, field)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not least <= value <= _LARGEST:  # nor is it infinite: that is no JSON
                raise InvalidDefinitionError(f"Retry: {field} must be {least} or more, not {shown(value)}")
        if not isinstance(self.attempts, int):
            raise InvalidDefinitionError(f"Retry: attempts must be an int, not {self.attempts!r}")
        if not isinstance(self.jitter, bool):
            raise InvalidDefinitionError(f"Retry: jitter must be True or False, not {shown(self.jitter)}")
        if not all(isinstance(name, str) and name for name in self.on):
            raise InvalidDefinitionError(f"Retry: on must name exception classes, not {self.on!r}")

    def matches(self, names: frozenset[str]) -> bool:
        """Tell whether an error whose classes have these names (see `names_of`) is worth a retry."""
        return "*" in self.on or not names.isdisjoint(self.on)

    def seconds_after(self, failures: int, draw: float) -> float:
        """Return the delay after failure number `failures`; `draw` is random in [0, 1)."""
        try:
            full = min(self.delay * self.factor ** (failures - 1), self.max_delay)
        except OverflowError:
            full = self.max_delay if self.delay else 0
        return full * (0.5 + draw / 2) if self.jitter else full


def _named(on: Any) -> tuple[Any, ...]:
    if isinstance(on, str):
        raise InvalidDefinitionError(f"Retry: on must be a list of names, not the text {shown(on)}")
    if not isinstance(on, type | Iterable):
        raise InvalidDefinitionError(f"Retry: on must be a list of names or exceptions, not {shown(on)}")
    kinds = (on,) if isinstance(on, type) else tuple(on)
    names = tuple(qualified_name(kind) if isinstance(kind, type) else kind for kind in kinds)
    return EVERY if names == EVERY else names  # the default itself: a spec leaves it out


def qualified_name(kind: type) -> str:
    """Return a class's name as tracebacks show it: builtins bare, others with their module."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def names_of(error: BaseException) -> frozenset[str]:
    """Return the names by which `Retry.on` may mean this error."""
    kinds = [kind for kind in type(error).__mro__ if issubclass(kind, BaseException)]
    return frozenset(
        name
        for kind in kinds
        for name in (kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}")
    )
