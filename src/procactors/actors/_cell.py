"""Runs one actor in one task, through all of its lives; its end becomes an `Exit`.

The cell has the name and the mailbox, the actor is what lives in it: after a failure the supervisor
may put a new instance into the same cell. The message that killed the old one goes (its asker gets
the error, a told one becomes a dead letter), those behind it stay.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors._envelope import refuse
from procactors.actors._exit import Cancelled, Exit, Failed, Normal, Stopped
from procactors.actors._life import Life
from procactors.actors._ref import ActorRef, current_cell
from procactors.actors._restart import Restart
from procactors.actors._signals import Terminated
from procactors.actors._staged import StagedMailbox
from procactors.actors._state import CellState
from procactors.actors._tasks import ChildTasks
from procactors.actors._turns import Turns, message_in
from procactors.errors import ActorStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._supervisor import ChildOptions, Supervisor


class Cell:
    """One actor's task, mailbox, name and fate."""

    __slots__ = (
        "_end", "_factory", "_halted", "_life", "_new_actor", "_ref", "_stop_reason", "_wake_up", "asks",
        "exit", "has_finished", "has_started", "is_left_behind", "kind", "name", "options", "restarts",
        "started", "state", "supervisor", "system", "tasks", "turns", "watchers", "watching",
    )  # fmt: skip

    def __init__(
        self,
        name: str | None,
        factory: Callable[[], Actor[Any]],
        options: ChildOptions,
        supervisor: Supervisor,
    ) -> None:
        """Make a cell that will live under `supervisor`; `run` brings it to life."""
        self.options = options
        self.supervisor = supervisor
        self.system = supervisor.system
        self.state = CellState.STARTING
        self.exit: Exit | None = None
        self.asks: list[Cell] = []
        """Those whose replies this actor waits for."""
        self.restarts = 0
        self.has_started = False
        """True once an `on_start` has succeeded."""
        self.has_finished = False
        """True once the actor has ended by itself, so that it will not live again."""
        self.is_left_behind = False
        """True once its task holds cancel scopes that nobody will close: it can only wait for the end."""
        self.started: anyio.Event | None = None
        """Set when the first life has begun, or will never."""
        self._ref: Callable[[], ActorRef[Any] | None] = _none
        self._factory = factory
        self._new_actor: Actor[Any] | None = self._make_actor()
        self.kind = type(self._new_actor).__name__
        self.name = name or self.system.new_name(self.kind)
        self.turns = Turns(StagedMailbox(self._new_actor.lanes), self.system.clock, self.system.timers)
        self.tasks = ChildTasks()
        self._life: Life | None = None
        self._stop_reason: str | None = None
        self._halted: anyio.Event | None = None
        self._wake_up: anyio.Event | None = None
        self.watchers: dict[Cell, None] = {}
        """Who hears of this actor's end, in the order of asking."""
        self.watching: dict[Cell, None] = {}
        """Whose ends this actor hears of."""
        self._end: anyio.Event | None = None

    @property
    def ref(self) -> ActorRef[Any]:
        """The reference to this actor: always the same one, as long as anybody has it."""
        ref = self._ref()
        if ref is None:
            ref = ActorRef(self)
            self._ref = weakref.ref(ref)  # what holds this must not be held by it: no cycle is left behind
        return ref

    def _make_actor(self) -> Actor[Any]:
        actor = self._factory()
        actor._cell = self  # noqa: SLF001 - the one place that binds an actor to its cell
        return actor

    # Life.

    async def run(self) -> None:
        """Live, and live again as long as the supervisor says so. Never raises what an actor raised."""
        current_cell.set(self)
        end: Exit = Cancelled()
        try:
            end = await self._live()
            while not self.is_left_behind and await self.supervisor.lives_again(self, end):
                self.restarts += 1
                self.state = CellState.STARTING
                end = await self._live()
        finally:
            self._bury(self.supervisor.verdict(self, end))
        if self.is_left_behind:
            await self.supervisor.outlast_all_else()

    async def _live(self) -> Exit:
        try:
            actor, self._new_actor = self._new_actor or self._make_actor(), None
        except Exception as error:  # noqa: BLE001 - an end is data
            end: Exit = Failed(error)
        else:
            self._life = Life(self, actor)
            end = await self._life.run()
            self.has_finished = self._life.is_finished
            self.is_left_behind = self._life.is_left_behind
            self._life = None
        self.settle(end)
        self.turns.clear(self._error_of(end))
        self.asks.clear()
        self.state = CellState.RESTING
        return end

    def note_running(self) -> None:
        """Note that `on_start` is done."""
        self.state = CellState.RUNNING
        self.has_started = True
        if self.started is not None:
            self.started.set()
            self.started = None
        self.supervisor.siblings.advance()

    def good_end(self) -> Exit:
        """Return the exit of a life that ended because it was over."""
        if self._stop_reason is not None:
            return Stopped(self._stop_reason)
        return Normal() if self._halted is None else Stopped("an actor that it may depend on restarts")

    def settle(self, end: Exit) -> None:
        """Give up what was in hand when the life ended: askers get the error, a told message dies."""
        for item in self.turns.drop_in_hand():
            if not refuse(item, self._error_of(end)):
                self.system.dead_letters.add(self.name, message_in(item), "the actor ended while handling it")

    def _error_of(self, end: Exit) -> BaseException:
        return end.error or ActorStoppedError(f"actor {self.name} ended ({end}) before it replied")

    # Between two lives.

    @property
    def is_up(self) -> bool:
        """Tell whether those that were started later may depend on it."""
        return self.state is CellState.RUNNING

    async def halt_life(self) -> None:
        """End this life but not for good, and return when it has ended; a temporary one ends for good."""
        if self.is_stopping or self.options.restart is Restart.TEMPORARY:
            await self.end_for_good("an actor that it may depend on restarts")
        elif self.state not in {CellState.RESTING, CellState.STOPPED}:
            if self._halted is None:
                self._halted = anyio.Event()
                self._end_life()
            await self._halted.wait()

    def was_halted(self) -> bool:
        """Tell whether the life that has just ended was halted, and let those know that wait for it."""
        halted, self._halted = self._halted, None
        if halted is None:
            return False
        halted.set()
        return True

    async def rest(self, delay: float) -> bool:
        """Wait for `delay` seconds and then for those it may depend on; False if a stop came meanwhile."""
        with anyio.move_on_after(delay):
            while not self.is_stopping:
                await self._woken()
        siblings = self.supervisor.siblings
        while not self.is_stopping and not siblings.is_turn_of(self):
            with siblings.waiting(self):
                await self._woken()
        return not self.is_stopping

    async def _woken(self) -> None:
        self._wake_up = anyio.Event()
        await self._wake_up.wait()

    def wake(self) -> None:
        """Let a resting cell look whether to live."""
        if self._wake_up is not None:
            self._wake_up.set()

    # Messages.

    def deliver(self, item: Any, message: Message) -> None:
        """Put `item` into the mailbox; for an actor that has ended it is undeliverable."""
        if self.exit is None:
            self.turns.deliver(item, message)
        else:
            self._return_to_sender(item, "the actor has stopped")

    def signal(self, message: Message) -> None:
        """Tell the actor something that must not fail; one that has ended does not need it any more."""
        if self.exit is None:
            self.turns.deliver(message, message, always=True)

    def watch(self, other: Cell) -> None:
        """Hear of the end of `other`."""
        self.turns.mailbox.check_lane(Terminated)
        if other.exit is not None:
            self.signal(Terminated(other.name, other.exit))
        else:
            other.watchers[self] = None
            self.watching[other] = None

    def check_living(self) -> None:
        """Raise ActorStoppedError unless a life of this actor is on, and not at its end."""
        if self.state not in {CellState.STARTING, CellState.RUNNING}:
            problem = f"actor {self.name} is {self.state.value}; it can start no task"
            raise ActorStoppedError(problem)

    # The end.

    @property
    def is_stopping(self) -> bool:
        """True once it was asked to stop for good."""
        return self._stop_reason is not None

    def request_stop(self, reason: str) -> None:
        """Stop soon and for good; with force when the grace is over."""
        if not self.is_stopping and self.exit is None:
            self._stop_reason = reason
            self._end_life()
            self.wake()

    def _end_life(self) -> None:
        self.turns.end()
        if self._life is not None:
            self._life.end_soon()

    def abandon(self) -> None:
        """Leave the actor behind now: it never runs again, and its exit is `Abandoned`."""
        if self._life is not None:
            self._life.leave()

    async def end_for_good(self, reason: str) -> None:
        """Stop, and wait for the end."""
        self.request_stop(reason)
        await self.ended()

    async def ended(self) -> Exit:
        """Wait for the end, and return it."""
        while self.exit is None:
            if self._end is None:
                self._end = anyio.Event()
            await self._end.wait()
        return self.exit

    def _bury(self, end: Exit) -> None:
        self.state = CellState.STOPPED
        self.exit = end
        self.system.registry.remove(self)
        for item in self.turns.mailbox.drain():
            self._return_to_sender(item, "the actor stopped before it came to it")
        self._tell_watchers(Terminated(self.name, end))
        for event in (self._end, self.started, self._halted):
            if event is not None:
                event.set()
        self.supervisor.forget(self)
        self._factory = _make_none  # it may hold the actor, and that this: a cycle

    def _tell_watchers(self, signal: Terminated) -> None:
        for watcher in tuple(self.watchers):
            del watcher.watching[self]
            watcher.signal(signal)
        self.watchers.clear()
        for other in self.watching:
            del other.watchers[self]
        self.watching.clear()

    def _return_to_sender(self, item: Any, reason: str) -> None:
        if type(item) is Terminated:  # has no sender
            return
        kind = type(message_in(item)).__name__
        error = ActorStoppedError(f"actor {self.name} has stopped and did not handle {kind}")
        if not refuse(item, error):
            self.system.dead_letters.add(self.name, item, reason)


def _none() -> None:
    return None


def _make_none() -> Actor[Any]:
    raise AssertionError("an actor that has ended for good lives again")
