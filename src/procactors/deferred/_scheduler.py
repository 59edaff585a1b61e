"""What an application embeds to have deferred updates run beside its work.

Owned by a middleware's lifespan or a manager, used by `async with`, or started inside somebody's actor
system. It hands scopes to its actor and, at the end, drains them up to a deadline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.actors import ActorSystem, ChildOptions, Restart
from procactors.deferred._report import Report
from procactors.deferred._scheduler_actor import Drain, Held, RunPostsend, RunPresend, SchedulerActor
from procactors.deferred._stage import Stage
from procactors.deferred._wake import Wake
from procactors.errors import NoDeferredScopeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from procactors.actors import ActorRef
    from procactors.deferred._queue import DeferredUpdates

_GRACE_S = 10.0
"""How long cut-off updates may take to roll back, and what is left to be handed over."""


class SchedulerStatistics(msgspec.Struct, frozen=True):
    """How a scheduler stands.

    Attributes:
        running: Scopes that run now.
        waiting: Runs that wait for a place.
        scopes: Scopes that are held: running, waiting, or behind an open transaction.
        report: What came of all updates so far.
        lost: Updates that were cut off and that nobody took.
        failures: Where the updates that failed had been deferred, and how many of each place.
    """

    running: int
    waiting: int
    scopes: int
    report: Report
    lost: int
    failures: Mapping[str, int] = {}


def check_drain(drain_s: Any) -> None:
    """Raise ValueError if it is not a number of seconds, 0 or more."""
    if not isinstance(drain_s, int | float) or not drain_s >= 0:
        problem = f"drain_s must be a number of seconds, 0 or more, not {drain_s!r}"
        raise ValueError(problem)


class DeferredScheduler:
    """Runs the queues of many scopes: PRESEND before POSTSEND, side by side within a limit."""

    def __init__(
        self,
        *,
        max_running: int = 64,
        drain_s: float = 10.0,
        rescue: Callable[[Any], Any] | None = None,
        system: ActorSystem | None = None,
        name: str = "deferred",
    ) -> None:
        """Make a scheduler; `async with` starts it.

        Args:
            max_running: How many scopes may run at a time, >= 1.
            drain_s: How many seconds what is left may take at the end, >= 0.
            rescue: Is offered each update that the end cuts off and that can't become a process; may be
                async; returns true if it has taken it, for instance made it a durable process. What
                nobody takes is logged with its origin.
            system: The actor system to live in; None: one of its own.
            name: The name of its actor.
        """
        if not isinstance(max_running, int) or max_running < 1:
            problem = f"max_running must be 1 or more, not {max_running!r}"
            raise ValueError(problem)
        check_drain(drain_s)
        self.drain_s = drain_s
        self._max_running = max_running
        self._held = Held(rescue)
        self._system = system if system is not None else ActorSystem(name=f"{name} scopes")
        self._owns_system = system is None
        self._name = name
        self._numbers = count(1)
        self._actor: ActorRef[Any] | None = None
        self._wake: Wake | None = None

    # Life.

    async def __aenter__(self) -> Self:
        """Start the actor."""
        self._wake = Wake(self._again)
        if self._owns_system:
            await self._system.__aenter__()
        try:
            self._actor = await self._system.start(
                lambda: SchedulerActor(self._held, self._max_running),
                name=self._name,
                options=ChildOptions(restart=Restart.PERMANENT, grace_s=_GRACE_S),
            )
        except BaseException as error:
            if self._owns_system:
                await self._system.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain, stop, and part with what is left."""
        try:
            await self.close()
        finally:
            if self._owns_system:
                await self._system.__aexit__(kind, error, traceback)

    async def drain(self, seconds: float | None = None) -> None:
        """Wait until nothing is left to run, for at most `seconds` (None: `drain_s`).

        Cancellation: safe.
        """
        actor = self._require_actor()
        await actor.ask(Drain(self.drain_s if seconds is None else seconds), timeout=None)

    async def close(self) -> None:
        """Drain, then stop: what still runs is cancelled and rolled back, and handed over or logged.

        Cancellation: what is left is cut off at once.
        """
        actor = self._require_actor()
        try:
            if actor.is_alive:
                await self.drain()
        finally:
            actor.stop("its scheduler closes")
        await actor.stopped()
        await self._held.part_with_all()

    # Work.

    def submit(self, updates: DeferredUpdates) -> None:
        """Have everything that `updates` holds, and what is added to it from now on, run soon.

        Returns at once. An opportunistic queue is run whenever that is allowed.

        Raises:
            NoDeferredScopeError: The scheduler has stopped.
        """
        self.follow(updates)
        self._again(updates)

    def follow(self, updates: DeferredUpdates) -> None:
        """Have everything that is added to `updates` from now on run soon. May be called from any thread.

        Raises:
            NoDeferredScopeError: The scheduler has stopped.
        """
        self._require_actor(alive=True)
        updates.on_ready(self._wake)

    async def run(self, updates: DeferredUpdates, stage: Stage = Stage.PRESEND) -> Report:
        """Run `stage` of a scope as soon as there is a place, and return what came of it.

        Raises:
            Exception: What `DeferredUpdates.run` raises.
            NoDeferredScopeError: The scheduler has stopped.
            ActorStoppedError: It stopped before this was done.

        Cancellation: what has begun goes on.
        """
        message = RunPresend if stage == Stage.PRESEND else RunPostsend
        actor = self._require_actor(alive=True)
        self._held.scopes.setdefault(updates, False)
        return await actor.ask(message(updates, next(self._numbers)), timeout=None)

    def note(self, updates: DeferredUpdates, report: Report | None = None) -> None:
        """Count what came of updates that somebody else has run, as PRESEND is in a request's own task.

        Args:
            updates: Their queue.
            report: What its `run` returned; None: it raised.
        """
        self._held.note(updates, report)

    def _again(self, updates: DeferredUpdates) -> None:
        actor = self._require_actor(alive=True)
        self._held.scopes[updates] = True
        actor.tell(RunPostsend(updates))

    def _require_actor(self, *, alive: bool = False) -> ActorRef[Any]:
        if self._actor is None:
            problem = "the scheduler of deferred updates is not open; use `async with`, or its lifespan"
            raise NoDeferredScopeError(problem)
        if alive and not self._actor.is_alive:
            problem = "the scheduler of deferred updates has stopped; nobody would run them"
            raise NoDeferredScopeError(problem)
        return self._actor

    # Questions.

    def statistics(self) -> SchedulerStatistics:
        """Return how it stands."""
        held = self._held
        return SchedulerStatistics(
            held.running, held.waiting, len(held.scopes), held.report, held.lost, dict(held.failures)
        )

    def pending(self) -> Mapping[str, int]:
        """Return where the updates that wait were deferred, and how many of each place.

        Finding the places takes time: it is for people who look, not for every second.
        """
        return Counter(origin for updates in list(self._held.scopes) for origin in updates.origins())

    @property
    def name(self) -> str:
        """The name of its actor."""
        return self._name

    @property
    def is_open(self) -> bool:
        """Whether it takes scopes now."""
        return self._actor is not None and self._actor.is_alive

    def __repr__(self) -> str:
        """Show how much runs and waits."""
        held = self._held
        return f"<DeferredScheduler running={held.running} waiting={held.waiting} scopes={len(held.scopes)}>"
