"""Owns one task group; starts, restarts and stops the actors in it.

A raw task group has one strategy: all fall together. It is what a supervisor is made of, not a
supervisor. Children are started in order, with a handshake, and stopped in reverse. What a failure
means is decided here: a new life in the same cell, or the end.
"""

from __future__ import annotations

import logging
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec

from procactors.actors._cell import Cell
from procactors.actors._exit import Abandoned, Exit, Failed, Stopped
from procactors.actors._restart import Backoff, Budget, Restart, RestartLog, Strategy
from procactors.errors import ActorStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._ref import ActorRef
    from procactors.actors._system import ActorSystem

M = TypeVar("M", bound="Message")

_log = logging.getLogger("procactors.actors")


class ChildOptions(msgspec.Struct, frozen=True):
    """How a supervisor treats one child.

    Attributes:
        restart: Whether it starts again after a failure. One that stops itself or is stopped never does.
        backoff: How long to wait before it does.
        budget: How often it may.
        grace_s: Seconds it has to stop when asked; then it is cancelled, and at last abandoned.
    """

    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff()
    budget: Budget = Budget()
    grace_s: float = 5.0


class Supervisor:
    """Keeps its children alive. Made by `ActorSystem.supervise`."""

    group: TaskGroup

    def __init__(self, name: str, system: ActorSystem, strategy: Strategy) -> None:
        """Make a supervisor that `serve` brings to life."""
        self.name = name
        self.system = system
        self.strategy = strategy
        self.failure: Failed | None = None
        self.all_else_ended = anyio.Event()
        self._children: dict[str, Cell | Supervisor] = {}
        self._logs: dict[str, RestartLog] = {}
        self._restarting = anyio.Lock()
        self._open = anyio.Event()
        self._closing = anyio.Event()
        self._closed = anyio.Event()
        self._has_abandoned = False

    # Life.

    async def serve(self) -> None:
        """Hold the task group open until `close`. Never raises."""
        try:
            async with anyio.create_task_group() as self.group:
                self._open.set()
                await self._closing.wait()
                with anyio.CancelScope(shield=True):
                    for child in reversed(tuple(self._children.values())):
                        await child.end_for_good("its supervisor closes")
                self.all_else_ended.set()
        except BaseExceptionGroup as errors:
            self._raise_unless_left_behind(errors)
        finally:
            self._closed.set()

    def _raise_unless_left_behind(self, errors: BaseExceptionGroup[BaseException]) -> None:
        """Let pass what anyio says of tasks whose coroutine was abandoned within open scopes."""
        remaining = errors.split(RuntimeError)[1] if self._has_abandoned else errors
        if remaining is not None:
            raise remaining

    async def opened(self) -> None:
        """Wait until children can be started."""
        await self._open.wait()

    async def close(self) -> None:
        """Stop all children, the last started first, and end. Cancellation: they go on stopping."""
        self._closing.set()
        await self._closed.wait()

    async def end_for_good(self, _reason: str) -> None:
        """Close, as a child of another supervisor."""
        await self.close()

    # Children.

    async def start(
        self,
        factory: Callable[[], Actor[M]],
        *,
        name: str | None = None,
        options: ChildOptions = ChildOptions(),
    ) -> ActorRef[M]:
        """Start the actor that `factory` makes, and return when its `on_start` is done.

        Raises:
            Exception: Whatever `on_start` raised; the actor is gone then.
            ValueError: A live actor has that name.
            ActorStoppedError: This supervisor is closing.

        Cancellation: the actor stays; its start goes on.
        """
        cell = self._launch(factory, name, options)
        cell.started = anyio.Event()
        await cell.started.wait()
        if cell.exit is not None:
            problem = f"actor {cell.name} ended while it started: {cell.exit}"
            raise cell.exit.error or ActorStoppedError(problem)
        return cell.ref

    def spawn(
        self,
        factory: Callable[[], Actor[M]],
        *,
        name: str | None = None,
        options: ChildOptions = ChildOptions(),
    ) -> ActorRef[M]:
        """Start an actor without waiting for it; its mailbox is open at once.

        Raises:
            ValueError: A live actor has that name.
            ActorStoppedError: This supervisor is closing.
        """
        return self._launch(factory, name, options).ref

    def _launch(self, factory: Callable[[], Actor[M]], name: str | None, options: ChildOptions) -> Cell:
        if self._closing.is_set() or not self._open.is_set():
            problem = f"supervisor {self.name} is not open; no actor can be started"
            raise ActorStoppedError(problem)
        cell = Cell(name or self.system.new_name(factory), factory, options, self)
        self.system.registry.add(cell)
        self._children[cell.name] = cell
        handle = self.group.create_task(cell.run(), name=cell.name, context=Context())
        cell.hold(handle)
        return cell

    async def supervise(self, name: str, strategy: Strategy = Strategy.ONE_FOR_ONE) -> Supervisor:
        """Start a supervisor below this one and return it."""
        child = Supervisor(name, self.system, strategy)
        self._children[name] = child
        self.group.create_task(child.serve(), name=name, context=Context())
        await child.opened()
        return child

    def children(self) -> tuple[Cell | Supervisor, ...]:
        """Return the live children in the order in which they were started."""
        return tuple(self._children.values())

    # What a cell asks of its supervisor.

    def forget(self, cell: Cell) -> None:
        """Drop a child that has ended for good."""
        self._has_abandoned = self._has_abandoned or type(cell.exit) is Abandoned
        self._children.pop(cell.name, None)
        self._logs.pop(cell.name, None)

    def verdict(self, cell: Cell, end: Exit) -> Exit:
        """Return the final exit of a cell that will not live again, and report it."""
        if type(end) is Abandoned:
            _log.error("actor %s ignored stop and cancellation; it was abandoned", cell.name)
            self.system.observer.actor_abandoned(cell.name)
        if not isinstance(end, Failed):
            return end
        _log.error("actor %s failed for good", cell.name, exc_info=end.cause)
        self.system.observer.actor_gave_up(cell.name, end.cause)
        return Failed(end.cause, gave_up=True)

    async def lives_again(self, cell: Cell, end: Exit) -> bool:
        """Decide whether `cell` gets another life, and return when it is time for it."""
        if cell.halt is not None:
            return await cell.halt.rest()
        if not self._may_restart(cell, end):
            return False
        log = self._logs.setdefault(cell.name, RestartLog(cell.options.budget))
        number = log.record(self.system.clock.monotonic())
        if number is None:
            if self.strategy is Strategy.REST_FOR_ONE:
                self._fail(cell, end)
            return False
        assert isinstance(end, Failed)
        delay = cell.options.backoff.delay(number, self.system.rng.random())
        _log.warning("actor %s failed and restarts in %.3f s", cell.name, delay, exc_info=end.cause)
        self.system.observer.actor_restarted(cell.name, end.cause, delay)
        if self.strategy is Strategy.REST_FOR_ONE:
            await self._halt_after(cell)
        return await cell.rest_before_restart(delay)

    def _may_restart(self, cell: Cell, end: Exit) -> bool:
        return (
            isinstance(end, Failed)
            and cell.has_started
            and cell.options.restart is Restart.PERMANENT
            and not cell.is_stopping
            and not self._closing.is_set()
        )

    async def _halt_after(self, cell: Cell) -> None:
        async with self._restarting:
            for child in reversed(self._started_after(cell)):
                if isinstance(child, Cell):
                    await child.halt_life()
                else:
                    await child.stop_children("a supervisor beside it restarts")

    def _started_after(self, cell: Cell) -> list[Cell | Supervisor]:
        names = list(self._children)
        later = names[names.index(cell.name) + 1 :] if cell.name in self._children else []
        return [self._children[name] for name in later]

    async def stop_children(self, reason: str) -> None:
        """Stop all children for good, the last started first; others may be started then."""
        for child in reversed(self.children()):
            await child.end_for_good(reason)

    async def restarted(self, cell: Cell) -> None:
        """Let those that were halted because `cell` failed live again, in order."""
        if self.strategy is Strategy.REST_FOR_ONE:
            for child in self._started_after(cell):
                if isinstance(child, Cell):
                    await child.resume()

    def _fail(self, cell: Cell, end: Exit) -> None:
        assert isinstance(end, Failed)
        self.failure = Failed(end.cause, gave_up=True)
        _log.critical("supervisor %s fails: %s used up its restarts", self.name, cell.name)
        self._closing.set()

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it lives."""
        if not self._closed.is_set():
            return None
        return self.failure or Stopped()

    def __repr__(self) -> str:
        """Show name and children."""
        return f"<Supervisor {self.name} of {len(self._children)}>"
