"""Where deferral happens: the context variable that carries the queue and the level of what runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from procactors.errors import IllegalRecursionError

if TYPE_CHECKING:
    from types import TracebackType

    from procactors.deferred._lazy import LazyScope
    from procactors.deferred._level import Level
    from procactors.deferred._queue import DeferredUpdates

Place: TypeAlias = "tuple[DeferredUpdates, Level, Place | LazyScope | None]"
"""A queue, one of its levels, and the place from which the queue is being run, if it is."""

CURRENT: ContextVar[Place | LazyScope | None] = ContextVar("procactors_deferred", default=None)
"""The queue, and its innermost level, of the code that runs, or a scope that may have no queue yet; None
outside of any scope."""


def refuse_waiting_for_itself(updates: DeferredUpdates) -> None:
    """Raise IllegalRecursionError if the caller is, through other queues, inside an update of `updates`."""
    place = CURRENT.get()
    while isinstance(place, tuple):
        if place[0] is updates and place[1].owner is not None and not place[1].is_closed:
            problem = "The queue is being run further up by the same task: defer the updates instead."
            raise IllegalRecursionError(problem)
        place = place[2]


class Current:
    """Makes a queue, at one of its levels, the current one within a `with` block."""

    __slots__ = ("_place", "_token")

    def __init__(self, updates: DeferredUpdates, level: Level) -> None:
        """Do nothing yet."""
        self._place: Place = (updates, level, None)

    def __enter__(self) -> DeferredUpdates:
        """Make it current."""
        self._token = CURRENT.set(self._place)
        return self._place[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Make current what was so before."""
        CURRENT.reset(self._token)
