"""What actors send to each other: immutable structs, which know the lane they travel in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Hashable

Reply = TypeVar("Reply")


class Message(msgspec.Struct, frozen=True):
    """Something told to an actor. Subclass it; fields are declared as in any `msgspec.Struct`.

    Attributes:
        lane: Name of the mailbox lane in which messages of this class wait.
        is_hint: Whether nothing is lost if it comes too late: a dead letter of this class is no warning.
    """

    lane: ClassVar[str] = "work"
    is_hint: ClassVar[bool] = False

    def coalesce_key(self) -> Hashable:
        """Return what makes two messages in a coalescing lane "the same": by default their class."""
        return type(self)


class Request(Message, Generic[Reply], frozen=True):
    """Something asked of an actor, and the type of the reply: `class GetTotal(Request[int])`."""


class Refusal(msgspec.Struct, frozen=True):
    """Returned by `receive` to answer an ask with an error while the actor lives on.

    An error that `receive` *raises* also reaches the asker, but it ends the actor, for its
    supervisor to restart.
    """

    error: Exception
