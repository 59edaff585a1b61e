"""The only handle to an actor."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from procactors.actors._envelope import Envelope, ReplySlot
from procactors.actors._message import Message, Reply, Request
from procactors.errors import ActorStoppedError, AskCycleError, AskTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.actors._cell import Cell
    from procactors.actors._exit import Exit

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)

DEFAULT_ASK_TIMEOUT_S = 5.0

current_cell: ContextVar[Cell | None] = ContextVar("procactors_current_cell", default=None)
"""The actor for whose turn this code runs: in its own task, or in a task group that it opened itself.
None elsewhere, also in the tasks that it spawned, which it does not wait for."""


class ActorRef(Generic[M_contra]):
    """Sends messages to one actor, and outlives it. Not for use from other threads."""

    __slots__ = ("__weakref__", "cell")

    def __init__(self, cell: Cell) -> None:
        """Refer to the actor in `cell`."""
        self.cell = cell

    @property
    def name(self) -> str:
        """The actor's name, unique in its system while it lives."""
        return self.cell.name

    def tell(self, message: M_contra) -> None:
        """Send `message` and go on. Never blocks.

        To an actor that has ended it becomes a dead letter.

        Raises:
            MailboxFullError: The lane of the message is full.
            KeyError: The actor has no lane of the name that the message's class gives.
        """
        self.cell.deliver(message, message)

    async def ask(self, request: Request[Reply], *, timeout: float | None = DEFAULT_ASK_TIMEOUT_S) -> Reply:
        """Send `request`, wait for room if need be, and return the actor's reply.

        Args:
            request: What to ask; its class says what type the reply has.
            timeout: Seconds until AskTimeoutError. An ask from within an actor that is itself asked
                has no more time than its asker left it. None: no deadline at all.

        Returns:
            What the actor's `receive` returned.

        Raises:
            AskTimeoutError: No reply came in time. A request that has not begun by then never will.
            ActorStoppedError: The actor has ended, or ended before it replied.
            AskCycleError: The actor is itself waiting for the asker, so it could never reply.
            MailboxFullError: The lane is full and lets nobody wait; or it coalesces, and a newer message
                replaced this one.
            KeyError: The actor has no lane of the name that the request's class gives.
            Exception: Whatever the actor raised, or refused with.

        Cancellation: safe; a request that has not begun is dropped.
        """
        cell = self.cell
        asker = current_cell.get()
        if asker is None:
            return await _ask(cell, request, timeout, None)
        if cell is asker or cell.asks:
            _refuse_cycle(asker, cell)
        asker.asks.append(cell)
        try:
            return await _ask(cell, request, timeout, asker.turns.asks_until)
        finally:
            asker.asks.remove(cell)

    def stop(self, reason: str = "") -> None:
        """Ask the actor to stop. A stop overtakes every message that waits.

        If it has not stopped within its grace it is cancelled, and if that does not help, abandoned.
        """
        self.cell.request_stop(reason)

    async def stopped(self) -> Exit:
        """Wait until the actor has ended for good, and return how. Cancellation: safe."""
        return await self.cell.ended()

    @property
    def is_alive(self) -> bool:
        """False once the actor has ended for good."""
        return self.cell.exit is None

    def __repr__(self) -> str:
        """Show name and state."""
        return f"<ActorRef {self.name} {self.cell.state.value}>"


def _refuse_cycle(asker: Cell, target: Cell) -> None:
    chains = [[asker, target]]  # each waits for the one after it
    while chains:
        chain = chains.pop()
        if chain[-1] is asker:
            names = " -> ".join(cell.name for cell in chain)
            problem = f"{names}: each would wait for the next for ever"
            raise AskCycleError(problem)
        chains.extend([*chain, asked] for asked in chain[-1].asks)


async def _ask(cell: Cell, request: Request[Reply], timeout: float | None, until: float | None) -> Reply:
    slot: ReplySlot[Reply] = ReplySlot()
    if timeout is None:
        envelope = Envelope(request, slot, None)
        if not _post(cell, envelope):
            await _post_when_room(cell, envelope, None)
        return await slot.wait()

    now = cell.system.clock.monotonic()
    deadline = now + timeout
    if until is not None and until < deadline:
        deadline = until
        timeout = max(0.0, until - now)
    expire = _expiry(cell, request, slot, timeout)
    timer = cell.system.timers.at(deadline, expire)  # a cancel scope would cost more than all the rest
    try:
        envelope = Envelope(request, slot, deadline)
        if not _post(cell, envelope):
            await _post_when_room(cell, envelope, timeout)
        return await slot.wait()
    finally:
        timer.cancel()


def _expiry(
    cell: Cell, request: Request[Reply], slot: ReplySlot[Reply], timeout: float
) -> Callable[[], None]:
    def expire() -> None:
        problem = f"actor {cell.name} did not answer {type(request).__name__} within {timeout:g} s"
        slot.give_up(AskTimeoutError(problem))

    return expire


def _post(cell: Cell, envelope: Envelope) -> bool:
    """Put an ask into the mailbox; False if it has no room for it."""
    if cell.exit is not None:
        problem = f"actor {cell.name} has stopped: {cell.exit}"
        raise ActorStoppedError(problem)
    if not cell.turns.mailbox.has_room(envelope.message):
        return False
    cell.turns.deliver(envelope, envelope.message)
    return True


async def _post_when_room(cell: Cell, envelope: Envelope, timeout: float | None) -> None:
    with anyio.move_on_after(timeout):
        await cell.turns.mailbox.room(envelope.message)
    if not envelope.slot.is_answered:
        _post(cell, envelope)
