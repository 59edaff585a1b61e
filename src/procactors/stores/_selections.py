"""Which processes a sweep decides on."""

from __future__ import annotations

import msgspec


class Due(msgspec.Struct, frozen=True):
    """The free processes that may be taken up, best first: past pauses, limits and rates.

    Attributes:
        passes_over: What steps need that the asker can't run (`Step.needs`).
    """

    passes_over: frozenset[str] = frozenset()


class Expired(msgspec.Struct, frozen=True):
    """The free processes whose time, or whose interrupt's time, is over."""


class Stranded(msgspec.Struct, frozen=True):
    """The free processes that have been due since `before` and wait for a step among `calls`."""

    before: float
    calls: frozenset[str]


class OwnedBy(msgspec.Struct, frozen=True):
    """The processes of a manager that does not run them any more.

    Attributes:
        manager: The manager.
        is_gone: Whether its row goes, too, with the last of its processes.
    """

    manager: int
    is_gone: bool


class Orphaned(msgspec.Struct, frozen=True):
    """The processes whose owner has no row any more."""


Selection = Due | Expired | Stranded | OwnedBy | Orphaned
