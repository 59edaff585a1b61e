"""The limits of a definition: how many of its processes run at once, of each group, and how often one begins.

They hold over all managers on a store, and are those of the process that was started last under a name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError
from procactors.model.sleep import LONGEST_S
from procactors.model.text import shown

_MOST = 2**31 - 1


class Limits(msgspec.Struct, frozen=True):
    """What a definition allows; None: as many as there are slots.

    Attributes:
        max_running: How many run at once.
        max_per_group: The same of each group.
        rate: How many begin to run within how many seconds.
    """

    max_running: int | None = None
    max_per_group: int | None = None
    rate: tuple[int, float] | None = None


def limits_in(name: str, max_running: Any, max_per_group: Any, rate: Any) -> Limits | None:
    """Return the limits of the definition of that name; None if it has none.

    Raises:
        InvalidDefinitionError: One is not valid.
    """
    for field, value in (("max_running", max_running), ("max_per_group", max_per_group)):
        if value is not None and not _is_count(value):
            raise InvalidDefinitionError(
                f"process {name!r}: {field} must be a whole number, 1 or more, not {shown(value)}"
            )
    if rate is not None:
        rate = _rate_in(name, rate)
    limits = Limits(max_running, max_per_group, rate)
    return None if limits == Limits() else limits


def _rate_in(name: str, rate: Any) -> tuple[int, float]:
    if isinstance(rate, tuple | list) and len(rate) == 2:
        starts, seconds = rate
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if _is_count(starts) and is_number and 0 < seconds <= LONGEST_S:
            return starts, seconds
    raise InvalidDefinitionError(
        f"process {name!r}: rate must be (starts, seconds), so many starts within so many seconds,"
        f" not {shown(rate)}"
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST


def keep_in(name: str, keep: Any) -> float | None:
    """Return for how long ended processes of a definition are kept; None: as its manager says.

    Raises:
        InvalidDefinitionError: It is not a number of seconds.
    """
    if keep is None:
        return None
    is_number = isinstance(keep, int | float) and not isinstance(keep, bool)
    if not is_number or not 0 <= keep <= LONGEST_S:
        raise InvalidDefinitionError(
            f"process {name!r}: keep must be 0 seconds or more, at most {LONGEST_S:g}, not {shown(keep)}"
        )
    seconds: float = keep
    return seconds
