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
from procactors.actors._siblings import Siblings
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

    def __init__(
        self, name: str, system: ActorSystem, strategy: Strategy, parent: Supervisor | None = None
    ) -> None:
        """Make a supervisor, below `parent` if there is one, that `serve` brings to life."""
        self.name = name
        self.system = system
        self.strategy = strategy
        self.failure: Failed | None = None
        self._parent = parent
        self.siblings: Siblings = Siblings(strategy, parent.siblings if parent is not None else None)
        """Its children, among each other."""
        self._logs: dict[str, RestartLog] = {}
        self._open = anyio.Event()
        self._closing = anyio.Event()
        self._all_else_ended = anyio.Event()
        self._closed = anyio.Event()
        self._has_abandoned = False

    # Life.

    async def serve(self) -> None:
        """Hold the task group open until `close`. Cancellation: cancels every child."""
        try:
            async with anyio.create_task_group() as self.group:
                await self._hold_open()
        except BaseExceptionGroup as errors:
            self._raise_unless_left_behind(errors)
        finally:
            self._closed.set()
            if self._parent is not None:
                self._parent.forget(self)

    async def _hold_open(self) -> None:
        try:
            self._open.set()
            await self._closing.wait()
            with anyio.CancelScope(shield=True):
                for child in reversed(self.children()):
                    await child.end_for_good("its supervisor closes")
        finally:
            self._all_else_ended.set()

    async def outlast_all_else(self) -> None:
        """Wait until all else here has ended, in a task whose coroutine was left behind.

        Cancellation: goes on waiting.

        anyio will notice that scopes of the coroutine were never closed, and take the whole group down:
        such a task may end only when nothing else is left in it.
        """
        self._has_abandoned = True
        with anyio.CancelScope(shield=True):
            await self._all_else_ended.wait()

    def _raise_unless_left_behind(self, errors: BaseExceptionGroup[BaseException]) -> None:
        """Let pass what anyio says of tasks whose coroutine was abandoned within open scopes."""
        remaining = errors.split(RuntimeError)[1] if self._has_abandoned else errors
        if remaining is not None:
            raise remaining

    async def opened(self) -> None:
        """Wait until children can be started. Cancellation: safe."""
        await self._open.wait()

    async def ended(self) -> None:
        """Wait until it has ended, with all its children. Cancellation: safe."""
        await self._closed.wait()

    async def close(self) -> None:
        """Stop all children, the last started first, and end. Cancellation: they go on stopping."""
        self._closing.set()
        await self._closed.wait()

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
            ActorStoppedError: This supervisor is closing, or the actor was stopped while it started.

        Cancellation: the actor stays; its start goes on.
        """
        started = anyio.Event()
        cell = self._launch(factory, name, options, started)
        await started.wait()
        if not cell.has_started:
            assert cell.exit is not None
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

    def _launch(
        self,
        factory: Callable[[], Actor[M]],
        name: str | None,
        options: ChildOptions,
        started: anyio.Event | None = None,
    ) -> Cell:
        self._check_open()
        cell = Cell(name, factory, options, self)
        cell.started = started
        self.siblings.add(cell)
        try:
            self.system.registry.add(cell)
        except ValueError:
            self.siblings.remove(cell)
            raise
        self.group.create_task(cell.run(), name=cell.name, context=Context())
        return cell

    def _check_open(self) -> None:
        if self._closing.is_set() or not self._open.is_set():
            problem = f"supervisor {self.name} is not open; nothing can be started under it"
            raise ActorStoppedError(problem)

    async def supervise(self, name: str, strategy: Strategy = Strategy.ONE_FOR_ONE) -> Supervisor:
        """Start a supervisor below this one and return it.

        Under rest-for-one it is halted and resumed in its place like an actor: its permanent children live
        again, its temporary ones have ended. If it fails, this one fails too under rest-for-one, and
        goes on without it under one-for-one.

        Raises:
            ValueError: There is a child of that name.
            ActorStoppedError: This supervisor is closing.

        Cancellation: the supervisor stays.
        """
        self._check_open()
        child = Supervisor(name, self.system, strategy, self)
        self.siblings.add(child)
        self.group.create_task(child.serve(), name=name, context=Context())
        await child.opened()
        return child

    def children(self) -> tuple[Cell | Supervisor, ...]:
        """Return the live children in the order in which they were started."""
        return self.siblings.all()

    # What a child asks of its supervisor.

    def forget(self, child: Cell | Supervisor) -> None:
        """Drop a child that has ended for good."""
        self.siblings.remove(child)
        self._logs.pop(child.name, None)
        if isinstance(child, Supervisor) and child.failure and self.strategy is Strategy.REST_FOR_ONE:
            self._fail(child.failure.cause, child.name)
        self.siblings.advance()

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
        """Decide whether `cell` gets another life after `end`, and return when it is time for it.

        Cancellation: there is no other life.
        """
        was_halted = cell.was_halted()
        if cell.is_stopping or cell.has_finished or self._closing.is_set():
            return False
        if was_halted and (cell.has_started or not isinstance(end, Failed)):
            return await cell.rest(0)
        if not isinstance(end, Failed) or not cell.has_started:
            return False
        delay = self._delay_after(cell, end)
        if delay is None:
            return False
        await self.siblings.halt_after(cell)
        return await cell.rest(delay)

    def _delay_after(self, cell: Cell, end: Failed) -> float | None:
        """Return the seconds until the next life of a cell that failed; None if there is none."""
        if cell.options.restart is Restart.TEMPORARY:
            return None
        log = self._logs.setdefault(cell.name, RestartLog(cell.options.budget))
        number = log.record(self.system.clock.monotonic())
        if number is None:
            if self.strategy is Strategy.REST_FOR_ONE:
                self._fail(end.cause, cell.name)
            return None
        delay = cell.options.backoff.delay(number, self.system.rng.random())
        _log.warning("actor %s failed and restarts in %.3f s", cell.name, delay, exc_info=end.cause)
        self.system.observer.actor_restarted(cell.name, end.cause, delay)
        return delay

    def _fail(self, cause: BaseException, child: str) -> None:
        self.failure = Failed(cause, gave_up=True)
        _log.critical("supervisor %s fails: %s used up its restarts", self.name, child)
        self._closing.set()

    # As a child of another supervisor.

    @property
    def is_up(self) -> bool:
        """Tell whether those that were started later may depend on it."""
        return self.siblings.is_up

    async def halt_life(self) -> None:
        """Let no child live until `wake`, and return when none does.

        Cancellation: they go on ending.
        """
        assert self._parent is not None
        self._parent.siblings.note_waiting(self)
        await self.siblings.halt_all()

    def wake(self) -> None:
        """Let the children live again, if they were halted."""
        self.siblings.resume()

    async def end_for_good(self, _reason: str) -> None:
        """Close. Cancellation: they go on stopping."""
        await self.close()

    # The end.

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it lives."""
        if not self._closed.is_set():
            return None
        return self.failure or Stopped()

    def __repr__(self) -> str:
        """Show name and children."""
        return f"<Supervisor {self.name} of {len(self.siblings)}>"
