"""Hands the messages of a mailbox to an actor, one at a time, or lane by lane in batches.

This is the hot loop of the actor runtime: a told message costs one put, one take, and no allocation.
Other tasks of the event loop get their turn after each batch, not after each message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from procactors.actors._envelope import Envelope, ReplySlot
from procactors.actors._message import Refusal
from procactors.errors import AskTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procactors._clock import Clock
    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._staged import StagedMailbox
    from procactors.actors._timers import Timer, TimerHeap

_BATCH = 128
"""Messages handled before other tasks of the loop get their turn."""


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
        "_actor", "_clock", "_fired", "_heap", "_lane", "_slot", "asks_until", "current",
        "current_since", "expired", "handled", "is_over", "mailbox",
    )  # fmt: skip

    def __init__(self, mailbox: StagedMailbox, clock: Clock, heap: TimerHeap) -> None:
        """Take messages from `mailbox`; the actor comes with `serve`."""
        self.mailbox = mailbox
        self.current: Any = None
        """The item in hand: a message, an envelope, or a list of them."""
        self.current_since = 0.0
        self.asks_until: float | None = None
        """The deadline of the ask in hand, which its own asks inherit."""
        self.handled = 0
        self.expired = 0
        self.is_over = False
        """Set to end `serve` before the next message."""
        self._actor: Actor[Any] | None = None
        self._clock = clock
        self._heap = heap
        self._lane = 0
        self._slot: ReplySlot[Any] | None = None
        self._fired: dict[str, Fired] = {}

    async def serve(self, actor: Actor[Any]) -> None:
        """Hand messages to `actor` until `is_over`; raises what it raises."""
        self._actor = actor
        if hasattr(actor, "receive_many"):
            await self._serve_batches(actor.receive_many)
        else:
            await self._serve_singly(actor)

    async def _serve_singly(self, actor: Actor[Any]) -> None:
        mailbox, receive, now = self.mailbox, actor.receive, self._clock.monotonic
        take = mailbox.take
        while True:
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
            if self.is_over:
                return

    async def _answer(self, envelope: Envelope, receive: Callable[[Any], Any]) -> None:
        if self._is_void(envelope):
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
        while True:
            await mailbox.arrival()
            if self.is_over:
                return
            items = [item for item in mailbox.take_lane() if not self._is_void(item)]
            if not items:
                continue
            self.current = items
            self.current_since = self._clock.monotonic()
            self.handled += len(items)
            replies = await receive_many([message_in(item) for item in items])
            if replies is not None:
                for item, reply in zip(items, replies, strict=True):
                    if type(item) is Envelope:
                        _reply(item.slot, reply)
            self.current = None

    def _is_void(self, item: Any) -> bool:
        """Tell whether an item must not be handled any more, and settle it if so."""
        if type(item) is Envelope:
            late = item.deadline is not None and item.deadline <= self._clock.monotonic()
            if late or item.slot.is_given_up:
                self.expired += 1
                item.slot.fail(AskTimeoutError())
                return True
        elif type(item) is Fired:
            return self._fired.pop(item.key, None) is not item
        return False

    # In the middle of a turn.

    def deliver(self, item: Any, message: Message) -> None:
        """Put an item into the mailbox; the actor hears at once if it is more urgent than its work."""
        lane = self.mailbox.put(item, message)
        if lane < self._lane and self.current is not None and self._actor is not None:
            self._actor.on_urgent(message)

    def has_urgent(self) -> bool:
        """Tell whether a message more urgent than the one in hand waits, or the end does."""
        return self.is_over or self.mailbox.has_before(self._lane)

    def take_reply(self) -> ReplySlot[Any] | None:
        """Hand out the reply slot of the ask in hand, once."""
        slot, self._slot = self._slot, None
        return slot

    def set_timer(self, key: str, delay: float, message: Message) -> None:
        """Deliver `message` in `delay` seconds unless the key is set again or cancelled."""
        self.cancel_timer(key)
        fired = self._fired[key] = Fired(key, message)
        fired.timer = self._heap.after(delay, lambda: self.deliver(fired, message))

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

    def clear(self) -> Iterable[Any]:
        """Forget actor and timers, and return what was in hand."""
        for key in tuple(self._fired):
            self.cancel_timer(key)
        items = self.current if isinstance(self.current, list) else [self.current]
        self.current = self._slot = self.asks_until = self._actor = None
        return [item for item in items if item is not None]


def message_in(item: Any) -> Any:
    """Return the message in a mailbox item."""
    return item.message if type(item) in {Envelope, Fired} else item


def _reply(slot: ReplySlot[Any], reply: Any) -> None:
    if type(reply) is Refusal:
        slot.fail(reply.error)
    else:
        slot.send(reply)
