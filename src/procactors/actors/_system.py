"""An actor system: the root supervisor, the registry, the timers, the dead letters."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from contextvars import Context
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from procactors._clock import Clock, SystemClock
from procactors.actors._deadletters import DeadLetters
from procactors.actors._registry import Registry
from procactors.actors._restart import Strategy
from procactors.actors._supervisor import ChildOptions, Supervisor
from procactors.actors._timers import TimerHeap
from procactors.actors._tree import TreeRow, rows_below
from procactors.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from procactors.actors._actor import Actor
    from procactors.actors._message import Message
    from procactors.actors._ref import ActorRef

M = TypeVar("M", bound="Message")


class ActorSystem:
    """Holds actors together: `async with ActorSystem() as system: ref = await system.start(...)`.

    Several may live side by side in one event loop. At the end of the block every actor is stopped,
    the last started first, and no task of the system is left.
    """

    def __init__(
        self,
        *,
        name: str = "actors",
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Make a system.

        Args:
            name: Name of its root supervisor.
            strategy: What the failure of one actor of the root means for the others.
            clock: Where time comes from; None: the system's clock.
            rng: Where jitter comes from; None: the system's randomness.
            observer: Who hears of restarts, dead letters and abandoned actors.
        """
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.rng: random.Random = rng or random.SystemRandom()
        self.observer = observer or Observer()
        self.registry = Registry()
        self.timers = TimerHeap(self.clock)
        self.dead_letters = DeadLetters(self.observer)
        self.root = Supervisor(name, self, strategy)
        self._numbers = count(1)
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Start the root supervisor."""
        if self._group is not None:
            problem = "an actor system is entered once; make another"
            raise RuntimeError(problem)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.create_task(self._serve(), name=self.name, context=Context())
        async with AsyncExitStack() as on_cancellation:  # nobody else would call `__aexit__` then
            on_cancellation.push_async_exit(self)
            await self.root.opened()
            on_cancellation.pop_all()
        return self

    async def _serve(self) -> None:
        # What cancels the block must not cancel what lives in it: that is stopped, in order, at its end.
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                group.create_task(self.timers.run(), name=f"{self.name}/timers")
                await self.root.serve()
                group.cancel_scope.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Stop every actor, in reverse order of starting. Raises what the block raised, as it is.

        Raises:
            BaseException: The error that used up the restarts of an actor under a rest-for-one root,
                if the block itself ended well.
        """
        assert self._group is not None
        with anyio.CancelScope(shield=True):
            await self.root.close()
        try:
            is_handled = await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as errors:
            if error is not None and not isinstance(error, anyio.get_cancelled_exc_class()):
                return False  # the block's own, as it is
            raise _first_of(errors) from None
        if error is None and self.root.failure is not None:
            raise self.root.failure.cause
        return is_handled

    async def start(
        self,
        factory: Callable[[], Actor[M]],
        *,
        name: str | None = None,
        options: ChildOptions = ChildOptions(),
    ) -> ActorRef[M]:
        """Start an actor under the root supervisor; see `Supervisor.start`.

        Cancellation: the actor stays; its start goes on.
        """
        return await self.root.start(factory, name=name, options=options)

    async def supervise(self, name: str, strategy: Strategy = Strategy.ONE_FOR_ONE) -> Supervisor:
        """Start a supervisor under the root one; see `Supervisor.supervise`.

        Cancellation: the supervisor stays.
        """
        return await self.root.supervise(name, strategy)

    async def ended(self) -> None:
        """Return when nothing lives here any more: it is being left, or its root has failed.

        Cancellation: safe.
        """
        await self.root.ended()

    def find(self, name: str) -> ActorRef[Any] | None:
        """Return a reference to the live actor of that name, if there is one."""
        cell = self.registry.get(name)
        return None if cell is None else cell.ref

    def tree(self) -> list[TreeRow]:
        """Return what lives here now: a row for each supervisor and actor, parents first."""
        return list(rows_below(self.root))

    def new_name(self, kind: str) -> str:
        """Return a free name for an actor of class `kind`."""
        while self.registry.get(name := f"{kind}-{next(self._numbers)}") is not None:
            pass
        return name

    def __repr__(self) -> str:
        """Show name and number of live actors."""
        return f"<ActorSystem {self.name} of {len(self.registry)}>"


def _first_of(error: BaseException) -> BaseException:
    """Return the first error in a group of groups: nobody has to catch groups because of actors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
