"""Hands the messages of a mailbox to an actor, one at a time, or lane by lane in batches.

This is the hot loop of the actor runtime: a told message costs one put, one take, and no allocation.
Other tasks of the event loop get their turn after each batch, not after each message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from procactors.actors._envelope import Envelope, ReplySlot
from procactors.actors._message import Refusal
from procactors.actors._signals import TaskEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors._clock import Clock
    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._staged import StagedMailbox
    from procactors.actors._timers import Timer, TimerHeap

_BATCH = 128
"""Messages handled before other tasks of the loop get their turn."""

_FEW_TAKEN = 64
"""Above how many replies that were taken it is looked which of them have been given."""


class Fired:
    """A timer's message on its way; void when the timer was set anew or cancelled since."""

    __slots__ = ("key", "message", "timer")

    def __init__(self, key: str, message: Message) -> None:
        """Make the message of the timer named `key`."""
        self.key = key
        self.message = message
        self.timer: Timer | None = None


class Turns:
    """The actor's turns: what it handles now, and what comes next."""

    __slots__ = (
        "_actor", "_clock", "_fired", "_gives_replies", "_heap", "_lane", "_many_taken", "_slot", "_taken",
        "asks_until", "current", "current_since", "expired", "handled", "hook_error", "is_over", "mailbox",
    )  # fmt: skip

    def __init__(self, mailbox: StagedMailbox, clock: Clock, heap: TimerHeap) -> None:
        """Take messages from `mailbox`; the actor comes with `begin`."""
        self.mailbox = mailbox
        self.current: Any = None
        """The item in hand: a message, an envelope, or a list of them."""
        self.current_since = 0.0
        self.asks_until: float | None = None
        """The deadline of what is in hand, which the actor's own asks inherit; None if it has none."""
        self.handled = 0
        self.expired = 0
        self.is_over = False
        """Set to end `serve` before the next message."""
        self.hook_error: Exception | None = None
        """What the actor raised where it must not raise, in another's turn."""
        self._actor: Actor[Any] | None = None
        self._clock = clock
        self._heap = heap
        self._gives_replies = True
        self._lane = 0
        self._slot: ReplySlot[Any] | None = None
        self._taken: list[ReplySlot[Any]] | None = None
        self._many_taken = _FEW_TAKEN
        self._fired: dict[str, Fired] = {}

    def begin(self, actor: Actor[Any]) -> None:
        """Begin the life of `actor`."""
        self._actor = actor

    def serve(self, actor: Actor[Any]) -> Awaitable[None]:
        """Hand messages to `actor` until `is_over`; raises what it raises."""
        if hasattr(actor, "receive_many"):
            return self._serve_batches(actor.receive_many)
        return self._serve_singly(actor)

    async def _serve_singly(self, actor: Actor[Any]) -> None:
        mailbox, receive, now = self.mailbox, actor.receive, self._clock.monotonic
        take = mailbox.take
        while not self.is_over:
            await mailbox.arrival()
            for _ in range(_BATCH):
                if self.is_over:
                    return
                item: Any = take()
                if item is None:
                    break
                self.current = item
                self.current_since = now()
                self._lane = mailbox.taken_lane
                self.handled += 1
                kind = type(item)
                if kind is Envelope:
                    await self._answer(item, receive)
                elif kind is Fired:
                    if not self._is_void(item):
                        await receive(item.message)
                else:
                    await receive(item)
                self.current = None
            else:
                await checkpoint()

    async def _answer(self, envelope: Envelope, receive: Callable[[Any], Any]) -> None:
        if self._is_void(envelope):
            self.handled -= 1
            return
        self._slot = envelope.slot
        self.asks_until = envelope.deadline
        reply = await receive(envelope.message)
        slot, self._slot = self._slot, None
        self.asks_until = None
        if slot is not None:
            _reply(slot, reply)

    async def _serve_batches(self, receive_many: Callable[[list[Any]], Any]) -> None:
        mailbox = self.mailbox
        while not self.is_over:
            await mailbox.arrival()
            if self.is_over:
                return
            items = [item for item in mailbox.take_lane() if not self._is_void(item)]
            if not items:
                continue
            self.current = items
            self.current_since = self._clock.monotonic()
            self.asks_until = _latest_deadline(items)
            self._lane = mailbox.taken_lane
            self.handled += len(items)
            self._gives_replies = True
            replies = await receive_many([message_in(item) for item in items])
            if self._gives_replies:
                replies = replies if replies is not None else [None] * len(items)
                for item, reply in zip(items, replies, strict=True):
                    if type(item) is Envelope:
                        _reply(item.slot, reply)
            self.current = self.asks_until = None
            if mailbox:
                await checkpoint()

    def _is_void(self, item: Any) -> bool:
        """Tell whether an item must not be handled any more."""
        if type(item) is Envelope:
            late = item.deadline is not None and item.deadline <= self._clock.monotonic()
            if late or item.slot.is_given_up:
                self.expired += 1  # its asker has the timeout from its own timer
                return True
        elif type(item) is Fired:
            if self._fired.get(item.key) is not item:
                return True
            del self._fired[item.key]
        return False

    # In the middle of a turn.

    def deliver(self, item: Any, message: Message, *, always: bool = False) -> None:
        """Put an item into the mailbox; the actor hears at once if it is more urgent than its work.

        What the runtime itself tells (`always`) is not refused by a full lane.
        """
        lane = self.mailbox.put(item, message, always=always)
        if lane < self._lane and self.current is not None and self._actor is not None:
            self.call_hook(self._actor.on_urgent, message)

    def call_hook(self, hook: Callable[..., None], *args: Any) -> None:
        """Call the actor in another's turn; if it raises, that is the actor's failure, not the other's."""
        try:
            hook(*args)
        except Exception as error:  # noqa: BLE001 - an end is data
            self.hook_error = error
            self.end()

    def has_urgent(self) -> bool:
        """Tell whether a message more urgent than the one in hand waits, or the end does."""
        return self.is_over or self.mailbox.has_before(self._lane)

    def take_reply(self, *, hand_on: bool) -> ReplySlot[Any] | None:
        """Hand out the reply slot of the ask in hand, once."""
        slot, self._slot = self._slot, None
        if slot is not None and not hand_on:
            self._note_taken([slot])
        return slot

    def take_replies(self, *, hand_on: bool) -> list[ReplySlot[Any] | None]:
        """Hand out the reply slots of the batch in hand, in its order; None for what was told."""
        items = self.current if isinstance(self.current, list) else []
        self._gives_replies = False
        slots = [item.slot if type(item) is Envelope else None for item in items]
        if not hand_on:
            self._note_taken([slot for slot in slots if slot is not None])
        return slots

    def _note_taken(self, slots: list[ReplySlot[Any]]) -> None:
        """Remember replies that are to be given, and forget those that have been."""
        if self._taken is None:
            self._taken = []
        elif len(self._taken) > self._many_taken:
            self._taken = [slot for slot in self._taken if not slot.is_answered]
            self._many_taken = 2 * len(self._taken) + _FEW_TAKEN
        self._taken += slots

    def set_timer(self, key: str, delay: float, message: Message) -> None:
        """Deliver `message` in `delay` seconds unless the key is set again, cancelled, or the life ends."""
        self.mailbox.check_lane(type(message))
        self.cancel_timer(key)
        if self._actor is not None:
            fired = self._fired[key] = Fired(key, message)
            fired.timer = self._heap.after(delay, lambda: self.deliver(fired, message, always=True))

    def cancel_timer(self, key: str) -> None:
        """Make the timer of this key void."""
        fired = self._fired.pop(key, None)
        if fired is not None and fired.timer is not None:
            fired.timer.cancel()

    # At the end.

    def end(self) -> None:
        """Take no message after the one in hand."""
        self.is_over = True
        self.mailbox.wake()

    def drop_in_hand(self) -> list[Any]:
        """Forget what was in hand when the life ended, and return it."""
        items = self.current if isinstance(self.current, list) else [self.current]
        self.current = self._slot = self.asks_until = None
        return [item for item in items if item is not None]

    def clear(self, error: BaseException) -> None:
        """End the life: nothing of it is left for the next but the messages of others.

        Replies that were taken and not given are answered with `error`.
        """
        self._actor = self.hook_error = None
        self.is_over = False
        for key in tuple(self._fired):
            self.cancel_timer(key)
        for slot in tuple(self._taken or ()):
            slot.fail(error)
        self._taken = None
        self.mailbox.discard(_is_of_one_life)


def _is_of_one_life(item: Any) -> bool:
    return type(item) in {Fired, TaskEnded}


def _latest_deadline(items: list[Any]) -> float | None:
    """Return when the last asker of a batch gives up; None if there is something without a deadline."""
    latest = float("-inf")
    for item in items:
        if type(item) is not Envelope or item.deadline is None:
            return None
        latest = max(latest, item.deadline)
    return latest


def message_in(item: Any) -> Any:
    """Return the message in a mailbox item."""
    return item.message if type(item) in {Envelope, Fired} else item


def _reply(slot: ReplySlot[Any], reply: Any) -> None:
    if type(reply) is Refusal:
        slot.fail(reply.error)
    else:
        slot.send(reply)
