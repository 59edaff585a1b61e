"""The actor: an object with a mailbox, run by one task, supervised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from procactors.actors._staged import Lane, Overflow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procactors.actors._cell import Cell
    from procactors.actors._envelope import ReplySlot
    from procactors.actors._exit import Exit
    from procactors.actors._message import Message
    from procactors.actors._ref import ActorRef
    from procactors.actors._system import ActorSystem

M = TypeVar("M", bound="Message")

CONTROL = Lane("control", capacity=1024, overflow=Overflow.FAIL)
"""For what must overtake work: cancel, a deadline that has passed."""
SIGNALS = Lane("signals", overflow=Overflow.COALESCE)
"""For what is told upward: only the newest of a kind counts, so it can't be full."""
WORK = Lane("work", capacity=1024, overflow=Overflow.WAIT)
"""For everything else; the lane of a message class that names none."""


class Actor(Generic[M]):
    """Base class of actors. Override `receive`; the rest has a meaning without being overridden.

    An actor handles one message at a time and is not re-entrant. It runs in a context of its own: it
    does not inherit the context variables of whoever started it.

    An actor that defines `async receive_many(messages)` gets the messages of a lane that wait in one
    batch, instead of one by one, and returns the replies in their order, or None. If it raises, every
    asker of the batch gets the error.
    """

    lanes: ClassVar[Sequence[Lane]] = (CONTROL, SIGNALS, WORK)
    """The lanes of its mailbox, the most urgent first."""

    _cell: Cell

    async def on_start(self) -> None:
        """Get ready. Runs before the first message; an error here is a failed start."""

    async def receive(self, message: M) -> Any:
        """Handle one message; what it returns is the reply, if it was asked.

        Raising ends this actor: an asker gets the error, a told message becomes a dead letter, and
        the supervisor decides what follows. Return `Refusal(error)` to answer with an error and live.
        """
        raise NotImplementedError

    def on_urgent(self, message: M) -> None:
        """Hear that `message` has arrived, in a lane before that of the message in hand.

        Called at once, in the teller's turn, while `receive` is under way, so that a long one can be
        cut short (by cancelling a scope, say). It must be quick; raising ends this actor after the
        message in hand. The urgent message stays in its lane and is received next.
        """

    def on_stop_requested(self) -> None:
        """Hear that a stop was asked for, as `on_urgent` hears of a message; also during `on_start`."""

    async def on_stop(self, reason: Exit) -> None:
        """Put things away, also after an `on_start` that failed.

        Runs shielded from cancellation, within the actor's grace.
        """

    # What an actor may use.

    @property
    def ref(self) -> ActorRef[M]:
        """This actor's own reference."""
        return self._cell.ref

    @property
    def system(self) -> ActorSystem:
        """The system in which it lives."""
        return self._cell.system

    def stop(self) -> None:
        """End after the message in hand, with the exit `Normal`."""
        self._cell.turns.end()

    def take_reply(self, *, hand_on: bool = False) -> ReplySlot[Any] | None:
        """Take over the reply to the ask in hand, to give it later.

        None if the message in hand was told, or its reply is taken already. What `receive` returns is
        then ignored. A reply that is not given when this life of the actor ends is an error to its
        asker: that of the actor, or ActorStoppedError.

        Args:
            hand_on: Another actor will give the reply, maybe after this one has ended. It is then up to you
                that it is given.
        """
        return self._cell.turns.take_reply(hand_on=hand_on)

    def take_replies(self, *, hand_on: bool = False) -> list[ReplySlot[Any] | None]:
        """In `receive_many`: take over the replies of the batch, in its order; None for what was told.

        What `receive_many` returns is then ignored. For the rest see `take_reply`.
        """
        return self._cell.turns.take_replies(hand_on=hand_on)

    def has_urgent(self) -> bool:
        """Tell whether a message waits in a lane before that of the message in hand."""
        return self._cell.turns.has_urgent()

    def watch(self, other: ActorRef[Any]) -> None:
        """Get a `Terminated` message when `other` has ended for good; at once if it has already.

        Once, however often it is called; a restart of this actor does not end it.

        Raises:
            KeyError: This actor has no lane "signals".
        """
        self._cell.watch(other.cell)

    def spawn(self, function: Callable[..., Awaitable[Any]], *args: Any, name: str) -> None:
        """Run `await function(*args)` in a child task; its end comes as a `TaskEnded` message.

        The task is cancelled when this life of the actor ends, and its end is not told to the next.

        Raises:
            ActorStoppedError: This life of the actor is over.
            KeyError: This actor has no lane "signals".
        """
        self._cell.tasks.spawn(self._cell, function, args, name)

    def set_timer(self, key: str, delay: float, message: M) -> None:
        """Tell this actor `message` in `delay` seconds. A timer with the same key is replaced.

        A timer that was replaced or cancelled is never seen, even if it had fired already; nor is one
        of an earlier life. A full lane has room for it.

        Raises:
            KeyError: This actor has no lane for the message.
        """
        self._cell.turns.set_timer(key, delay, message)

    def cancel_timer(self, key: str) -> None:
        """Forget the timer of this key, if there is one."""
        self._cell.turns.cancel_timer(key)
