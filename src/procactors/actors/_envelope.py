"""A request on its way: the message, the slot for its reply, its deadline.

Replies go by slots beside the mailboxes, never through them: two bounded mailboxes that acknowledge
each other by message deadlock when both are full.
"""

from __future__ import annotations

from typing import Any, Generic

from procactors._wakeup import Wakeup, new_wakeup, wake
from procactors.actors._message import Message, Reply


class ReplySlot(Generic[Reply]):
    """Where one reply is put once and awaited once. The first answer wins, later ones are ignored."""

    __slots__ = ("_answered", "_arrival", "_error", "_value", "is_given_up")

    def __init__(self) -> None:
        """Make an empty slot."""
        self._answered = False
        self._arrival: Wakeup | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self.is_given_up = False
        """True when nobody waits for this reply any more."""

    def send(self, value: Reply) -> None:
        """Answer with a value."""
        if not self._answered:
            self._value = value
            self._answer()

    def fail(self, error: BaseException) -> None:
        """Answer with an error, which the asker's `ask` raises."""
        if not self._answered:
            self._error = error
            self._answer()

    def give_up(self, error: BaseException) -> None:
        """Answer with an error in the asker's own name: it waits no longer."""
        self.is_given_up = True
        self.fail(error)

    def _answer(self) -> None:
        self._answered = True
        if self._arrival is not None:
            wake(self._arrival)

    @property
    def is_answered(self) -> bool:
        """True once there is an answer."""
        return self._answered

    async def wait(self) -> Reply:
        """Wait for the answer and return it, or raise it. Cancellation: gives the reply up."""
        if not self._answered:
            self._arrival = new_wakeup()
            try:
                await self._arrival
            except BaseException:
                self.is_given_up = True
                raise
        if self._error is not None:
            raise self._error
        value: Reply = self._value
        return value


class Envelope:
    """An ask in a mailbox."""

    __slots__ = ("deadline", "message", "slot")

    def __init__(self, message: Message, slot: ReplySlot[Any], deadline: float | None) -> None:
        """Wrap `message`; after `deadline` (monotonic; None: never) it is dropped unrun."""
        self.message = message
        self.slot = slot
        self.deadline = deadline


def refuse(item: object, error: BaseException) -> bool:
    """Answer a mailbox item that can't be handled with `error`; False if nobody asked."""
    if type(item) is not Envelope:
        return False
    item.slot.fail(error)
    return True
