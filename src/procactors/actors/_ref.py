"""The only handle to an actor."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from procactors.actors._envelope import Envelope, ReplySlot
from procactors.actors._message import Message, Reply, Request
from procactors.errors import ActorStoppedError, AskCycleError, AskTimeoutError

if TYPE_CHECKING:
    from procactors.actors._cell import Cell
    from procactors.actors._exit import Exit

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)

DEFAULT_ASK_TIMEOUT_S = 5.0

current_cell: ContextVar[Cell | None] = ContextVar("procactors_current_cell", default=None)
"""The actor in whose own task this code runs; None elsewhere, also in an actor's child tasks."""


class ActorRef(Generic[M_contra]):
    """Sends messages to one actor, and outlives it. Not for use from other threads."""

    __slots__ = ("cell",)

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
            MailboxFullError: The lane of the message is full, or has no room for tells.
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
            MailboxFullError: The lane is full and lets nobody wait.
            Exception: Whatever the actor raised, or refused with.

        Cancellation: safe; a request that has not begun is dropped.
        """
        cell = self.cell
        asker = current_cell.get()
        if asker is None:
            return await _ask(cell, request, timeout)
        _refuse_cycle(asker, cell)
        if timeout is not None and asker.turns.asks_until is not None:
            timeout = min(timeout, asker.turns.asks_until - cell.system.clock.monotonic())
        asker.asks = cell
        try:
            return await _ask(cell, request, timeout)
        finally:
            asker.asks = None

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
    waits: Cell | None = target
    path = [asker.name]
    while waits is not None:
        path.append(waits.name)
        if waits is asker:
            problem = f"{' -> '.join(path)}: each would wait for the next for ever"
            raise AskCycleError(problem)
        waits = waits.asks


async def _ask(cell: Cell, request: Request[Reply], timeout: float | None) -> Reply:
    slot: ReplySlot[Reply] = ReplySlot()
    if timeout is None:
        await _send(cell, Envelope(request, slot, None), None)
        return await slot.wait()

    def expire() -> None:
        problem = f"actor {cell.name} did not answer {type(request).__name__} within {timeout:g} s"
        slot.give_up(AskTimeoutError(problem))

    deadline = cell.system.clock.monotonic() + timeout
    timer = cell.system.timers.at(deadline, expire)  # a cancel scope would cost more than all the rest
    try:
        await _send(cell, Envelope(request, slot, deadline), timeout)
        return await slot.wait()
    finally:
        timer.cancel()


async def _send(cell: Cell, envelope: Envelope, timeout: float | None) -> None:
    mailbox = cell.turns.mailbox
    if not mailbox.has_room(envelope.message):
        with anyio.move_on_after(timeout):
            await mailbox.room(envelope.message)
    if cell.exit is not None:
        problem = f"actor {cell.name} has stopped: {cell.exit}"
        raise ActorStoppedError(problem)
    if not envelope.slot.is_answered and mailbox.has_room(envelope.message):
        cell.deliver(envelope, envelope.message)
