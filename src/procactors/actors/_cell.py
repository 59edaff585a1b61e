"""Runs one actor in one task, through all of its lives; its end becomes an `Exit`.

The cell has the name and the mailbox, the actor is what lives in it: after a failure the supervisor
may put a new instance into the same cell. The message that killed the old one goes (its asker gets
the error, a told one becomes a dead letter), those behind it stay.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors._envelope import refuse
from procactors.actors._exit import Abandoned, Cancelled, Exit, Failed, Normal, Stopped
from procactors.actors._halt import Halt
from procactors.actors._leave import Leavable, LeftBehindError
from procactors.actors._ref import ActorRef, current_cell
from procactors.actors._signals import TaskEnded, Terminated
from procactors.actors._staged import StagedMailbox
from procactors.actors._tasks import ChildTasks
from procactors.actors._turns import Fired, Turns, message_in
from procactors.errors import ActorStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import TaskHandle

    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._supervisor import ChildOptions, Supervisor
    from procactors.actors._timers import Timer


class CellState(Enum):
    """What a cell is doing."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTING = "resting"
    """Between two lives."""
    STOPPED = "stopped"


class Cell:
    """One actor's task, mailbox, name and fate."""

    __slots__ = (
        "_actor", "_drive", "_end", "_factory", "_force_timer", "_handle", "_stop_reason",
        "_wake_up", "_watchers", "asks", "exit", "halt", "has_started", "name", "options", "ref",
        "restarts", "started", "state", "supervisor", "system", "tasks", "turns",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        factory: Callable[[], Actor[Any]],
        options: ChildOptions,
        supervisor: Supervisor,
    ) -> None:
        """Make a cell that will live under `supervisor`; `run` brings it to life."""
        self.name = name
        self.options = options
        self.supervisor = supervisor
        self.system = supervisor.system
        self.ref: ActorRef[Any] = ActorRef(self)
        self.state = CellState.STARTING
        self.exit: Exit | None = None
        self.asks: Cell | None = None
        """Whom this actor waits for, if it has asked somebody."""
        self.restarts = 0
        self.has_started = False
        self.started: anyio.Event | None = None
        """Set when the first life has begun, or will never."""
        self.halt: Halt | None = None
        self._factory = factory
        self._actor = self._make_actor()
        self.turns = Turns(StagedMailbox(self._actor.lanes), self.system.clock, self.system.timers)
        self.tasks = ChildTasks(self)
        self._stop_reason: str | None = None
        self._wake_up: anyio.Event | None = None
        self._watchers: list[Cell] = []
        self._end: anyio.Event | None = None
        self._drive: Leavable[Exit] | None = None
        self._handle: TaskHandle[None] | None = None
        self._force_timer: Timer | None = None

    def _make_actor(self) -> Actor[Any]:
        actor = self._factory()
        actor._cell = self  # noqa: SLF001 - the one place that binds an actor to its cell
        return actor

    # Life.

    async def run(self) -> None:
        """Live, and live again as long as the supervisor says so. Never raises."""
        current_cell.set(self)
        while True:
            end = await self._life()
            self.state = CellState.RESTING
            if type(end) is Abandoned or not await self.supervisor.lives_again(self, end):
                break
            self.restarts += 1
            self.turns.is_over = False
            self._actor = self._make_actor()
        self._bury(self.supervisor.verdict(self, end))
        if type(end) is Abandoned:
            # anyio would notice that scopes of what was left behind were never closed, and take the
            # whole group down: this task may end only when everything else has.
            with anyio.CancelScope(shield=True):
                await self.supervisor.all_else_ended.wait()

    async def _life(self) -> Exit:
        self._drive = Leavable(self._live())
        try:
            end = await self._drive
        except LeftBehindError:
            end = Abandoned()
            self._cancel_force()
        self._drive = None
        error = end.error or ActorStoppedError(f"actor {self.name} ended ({end}) before it replied")
        for item in self.turns.clear():
            if not refuse(item, error) and isinstance(end, Failed):
                letter = message_in(item)
                self.system.dead_letters.add(self.name, letter, "it ended the actor")
        return end

    async def _live(self) -> Exit:
        end: Exit = Cancelled()
        try:
            self.state = CellState.STARTING
            await self._actor.on_start()
            self.state = CellState.RUNNING
            self.has_started = True
            if self.started is not None:
                self.started.set()
            if self.restarts:
                await self.supervisor.restarted(self)
            await self.turns.serve(self._actor)
            end = self._good_end()
        except Exception as error:  # noqa: BLE001 - an end is data
            end = Failed(error)
        except anyio.get_cancelled_exc_class():
            pass
        self.state = CellState.STOPPING
        with anyio.CancelScope(shield=True):
            end = await self._put_away(end)
        self._cancel_force()
        return end

    def _good_end(self) -> Exit:
        if self._stop_reason is not None:
            return Stopped(self._stop_reason)
        return Normal() if self.halt is None else Stopped("an actor it depends on restarts")

    async def _put_away(self, end: Exit) -> Exit:
        grace_s = self.options.grace_s
        if len(self.tasks):
            await self.tasks.cancel_all(grace_s)
        try:
            with anyio.move_on_after(grace_s):
                await self._actor.on_stop(end)
        except Exception as error:  # noqa: BLE001 - an end is data
            return end if isinstance(end, Failed) else Failed(error)
        return end

    async def rest_before_restart(self, delay: float) -> bool:
        """Wait for `delay` seconds; False if a stop came meanwhile."""
        self._wake_up = anyio.Event()
        with anyio.move_on_after(delay):
            await self._wake_up.wait()
        self._wake_up = None
        return not self.is_stopping

    # Messages.

    def deliver(self, item: Any, message: Message) -> None:
        """Put `item` into the mailbox; for an actor that has ended it is undeliverable."""
        if self.exit is None:
            self.turns.deliver(item, message)
        else:
            self._return_to_sender(item, "the actor has stopped")

    def add_watcher(self, watcher: Cell) -> None:
        """Tell `watcher` of the end."""
        if self.exit is None:
            self._watchers.append(watcher)
        else:
            signal = Terminated(self.name, self.exit)
            watcher.deliver(signal, signal)

    @property
    def kind(self) -> str:
        """The name of the actor's class."""
        return type(self._actor).__name__

    # Stop, in growing severity.

    @property
    def is_stopping(self) -> bool:
        """True once it was asked to stop for good."""
        return self._stop_reason is not None

    def request_stop(self, reason: str) -> None:
        """Stop soon and for good; with force when the grace is over."""
        if self.is_stopping or self.exit is not None:
            return
        self._stop_reason = reason
        self._end_life()
        if self.halt is not None:
            self.halt.end(to_live=False)
        if self._wake_up is not None:
            self._wake_up.set()

    def _end_life(self) -> None:
        self.turns.end()
        self._actor.on_stop_requested()
        self._cancel_force()
        self._force_timer = self.system.timers.after(self.options.grace_s, self._force)

    def _force(self) -> None:
        """Cancel the actor; if even that does not help within two more graces, abandon it."""
        if self._drive is not None and self._handle is not None:
            self._handle.cancel()
            self._force_timer = self.system.timers.after(2 * self.options.grace_s, self._leave)

    def _leave(self) -> None:
        if self._drive is not None:
            self._drive.leave()

    def abandon(self) -> None:
        """Leave the actor behind now: it never runs again, and its exit is `Abandoned`."""
        self._leave()

    def _cancel_force(self) -> None:
        if self._force_timer is not None:
            self._force_timer.cancel()
            self._force_timer = None

    async def end_for_good(self, reason: str) -> None:
        """Stop, and wait for the end."""
        self.request_stop(reason)
        await self.ended()

    async def halt_life(self) -> None:
        """End this life but not for good, and return when it has ended; see `resume`."""
        if self.exit is None and self.halt is None and not self.is_stopping:
            self.halt = Halt()
            self._end_life()
            if self._wake_up is not None:
                self._wake_up.set()
            await self.halt.is_resting()

    async def resume(self) -> None:
        """Live again after `halt_life`, and return when the new life has begun."""
        if self.halt is not None and not self.is_stopping:
            self.started = anyio.Event()
            self.halt.end(to_live=True)
            self.halt = None
            await self.started.wait()

    def hold(self, handle: TaskHandle[None]) -> None:
        """Keep the handle of the task in which `run` runs."""
        self._handle = handle

    # The end.

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
        self._cancel_force()
        self.system.registry.remove(self)
        self.supervisor.forget(self)
        for item in self.turns.mailbox.drain():
            self._return_to_sender(item, "the actor stopped before it came to it")
        signal = Terminated(self.name, end)
        for watcher in self._watchers:
            watcher.deliver(signal, signal)
        self._watchers.clear()
        for event in (self._end, self.started):
            if event is not None:
                event.set()

    def _return_to_sender(self, item: Any, reason: str) -> None:
        if type(item) in {Fired, Terminated, TaskEnded}:
            return
        kind = type(message_in(item)).__name__
        error = ActorStoppedError(f"actor {self.name} has stopped and did not handle {kind}")
        if not refuse(item, error):
            self.system.dead_letters.add(self.name, item, reason)
