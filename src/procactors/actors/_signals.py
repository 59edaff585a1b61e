"""What the actor system itself tells an actor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from procactors.actors._message import Message

if TYPE_CHECKING:
    from collections.abc import Hashable

from procactors.actors._exit import Exit


class Terminated(Message, frozen=True):
    """An actor that was watched has ended for good."""

    lane: ClassVar[str] = "signals"
    name: str
    exit: Exit

    def coalesce_key(self) -> Hashable:
        """One per actor."""
        return (Terminated, self.name)


class TaskEnded(Message, frozen=True):
    """A child task of this actor (see `Actor.spawn`) has ended; `Normal.value` is what it returned."""

    lane: ClassVar[str] = "signals"
    name: str
    number: int
    exit: Exit

    def coalesce_key(self) -> Hashable:
        """One per task."""
        return (TaskEnded, self.number)
