"""What the engine's actors have in common: store, clock, limits, and where to reach each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from procactors._clock import to_datetime
from procactors.engine.messages import Deliver, Errand, LookAgain, Queued, StoreChanged
from procactors.engine.troubles import Troubles
from procactors.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from procactors._clock import Clock
    from procactors._ids import Ids
    from procactors.actors import ActorRef, ActorSystem, Supervisor
    from procactors.deferred import DeferredScheduler
    from procactors.engine.catalog import Catalog
    from procactors.executors.places import Executors
    from procactors.options import ManagerOptions
    from procactors.stores import Member, Store
    from procactors.stores._batch import Command


class Room:
    """One manager's engine, from inside. Actors are filled in as they are started."""

    persistence: ActorRef[Any]
    streams: ActorRef[Any]
    watchdog: ActorRef[Any]
    supervisor: ActorRef[Any]
    system: ActorSystem
    loop: asyncio.AbstractEventLoop
    processes: Supervisor
    deferred: DeferredScheduler
    member: Member

    def __init__(  # noqa: PLR0913 - it is a record of what it is given
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        options: ManagerOptions,
        observer: Observer,
        services: Mapping[str, Any],
        catalog: Catalog,
        executors: Executors,
        max_running: int,
        name: str,
        runs: bool,
    ) -> None:
        """Furnish the room."""
        self.store = store
        self.clock = clock
        self.ids = ids
        self.options = options
        self.observer = observer
        self.troubles = Troubles(clock)
        self.is_observed = type(observer) is not Observer
        self.services = services
        self.catalog = catalog
        self.executors = executors
        self.max_running = max_running
        self.name = name
        self.runs = runs
        self.is_closing = False
        self.has_slot: Callable[[], bool] = lambda: True
        """False where a new process would surely have to queue, so that nobody needs to ask for a slot."""
        self.step_of_task: Callable[[str], str | None] = lambda _: None
        """Says, from any thread, which step runs in the task of that name."""

    def at(self) -> datetime:
        """Return the store's time now, as events carry it."""
        return to_datetime(self.store.now())

    def monotonic(self, instant: float) -> float:
        """Return the reading of the monotonic clock at an instant of the store's clock."""
        return self.clock.monotonic() + (instant - self.store.now())

    def patience(self) -> float:
        """Return until when (monotonic) a user's own write waits for a store that can't be used."""
        return self.clock.monotonic() + self.options.store_patience_s

    def is_elsewhere(self) -> bool:
        """Tell whether the caller is in another event loop than the engine."""
        running = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises where there is none
        return running is not None and running is not self.loop

    def call_later(self, delay: float, function: Callable[[], None]) -> None:
        """Call a quick function in the event loop in `delay` seconds."""
        self.system.timers.after(delay, function)

    def call_in_loop(self, function: Callable[[], None]) -> None:
        """Call a quick function in the event loop soon; from any thread."""
        self.loop.call_soon_threadsafe(function)

    # To the supervisor, where there is one: a client leaves running to others.

    def look_again(self) -> None:
        """Let the supervisor look for due processes."""
        if self.runs:
            self.supervisor.tell(LookAgain())

    def note_queued(self) -> None:
        """Let the supervisor know that a process waits for a slot."""
        if self.runs:
            self.supervisor.tell(Queued())

    def look_for_bereaved(self) -> None:
        """Let the supervisor look for children whose parent has ended."""
        if self.runs:
            self.supervisor.tell(Errand("bereave"))

    def look_for_news(self) -> None:
        """Let the supervisor look for commands."""
        if self.runs:
            self.supervisor.tell(StoreChanged())

    def deliver(self, command: Command) -> None:
        """Hand a command to the process actor that it is for, if it lives here."""
        if self.runs and command.owner == self.member.id:
            self.supervisor.tell(Deliver((command,)))
