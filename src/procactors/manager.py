"""The process manager: what an application embeds, the face of everything below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from procactors._clock import Clock, SystemClock
from procactors._ids import Ids, checked_pid
from procactors.engine import control, views
from procactors.engine.catalog import Catalog
from procactors.engine.lists import listed
from procactors.engine.making import check_making, check_sources, services_in
from procactors.engine.reading import record_of
from procactors.engine.room import Room
from procactors.engine.subscription import EventStream
from procactors.executors.places import Executors
from procactors.going_back import GoingBack
from procactors.handle import ProcessHandle
from procactors.holding_back import HoldingBack
from procactors.model.plugin import plugins_in
from procactors.observe import Observer
from procactors.options import ManagerOptions
from procactors.overview import Overview
from procactors.starting_up import StartingUp
from procactors.stores import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from procactors.model.info import ProcessInfo
    from procactors.model.plugin import Plugin


class ProcessManager(StartingUp, GoingBack, HoldingBack, Overview):
    """Runs durable processes inside an asyncio application.

    Embed it as `async with ProcessManager("sqlite:///app.db") as manager:`, by `lifespan=manager.lifespan`,
    or by `await manager.open()` and `await manager.close()`. Any number of managers may share a store;
    exactly one of them runs a given process, and all of them can read and control it.

    Source: MWStake ProcessManager.
    """

    def __init__(  # noqa: PLR0913 - the public face, as the design has it
        self,
        url: str | Store,
        *,
        run: bool = True,
        services: Mapping[str, Any] | None = None,
        modules: Sequence[str] = (),
        plugins: Iterable[Plugin] = (),
        max_running: int = 64,
        name: str | None = None,
        options: ManagerOptions = ManagerOptions(),
        observer: Observer | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        """Make a manager; it does nothing until it is opened.

        Args:
            url: Where state lives: "sqlite:///relative.db", "sqlite:////absolute.db?synchronous=NORMAL",
                "memory://"; or a store.
            run: False makes a client: it starts, reads, subscribes and controls, and leaves running to
                others.
            services: What steps may ask for by name.
            modules: Modules and packages from which stored references may be imported.
            plugins: What one of all managers does every so often; see `Plugin`.
            max_running: How many processes run at once, >= 1; the others are queued in the store.
            name: A name for people; default: a random one.
            options: Limits and timeouts.
            observer: Hears what happens inside, for telemetry.
            clock: Where time comes from; for tests.
            rng: Where randomness comes from; for tests.

        Raises:
            InvalidStoreError: The URL is not understood.
            InvalidDefinitionError: Another argument is not valid; the message names it.
        """
        check_making(run=run, max_running=max_running, name=name, options=options, observer=observer)
        check_sources(clock, rng)
        offered = services_in(services)
        clock, hears = clock or SystemClock(), observer or Observer()
        ids = Ids(clock, rng)
        room = Room(
            store=open_store(url, clock, options),
            clock=clock,
            ids=ids,
            options=options,
            observer=hears,
            services=offered,
            catalog=Catalog(offered, modules),
            executors=Executors(clock, options, hears.trace_context),
            max_running=max_running,
            name=name or ids.name(),
            runs=run,
        )
        super().__init__(room, plugins_in(plugins))

    # About itself.

    @property
    def name(self) -> str:
        """The manager's name, as `info.owner` shows it."""
        return self._room.name

    @property
    def options(self) -> ManagerOptions:
        """The manager's limits and timeouts."""
        return self._room.options

    @property
    def url(self) -> str:
        """The URL of its store, without a password."""
        return self._room.store.url

    @property
    def runs(self) -> bool:
        """Whether it runs processes; False: it is a client."""
        return self._room.runs

    # Processes.

    def handle(self, pid: str) -> ProcessHandle:
        """Return a handle to a process; whether it exists shows when the handle is used.

        Raises:
            UnknownProcessError: This can't be a pid.
        """
        return ProcessHandle(self, checked_pid(pid))

    async def result(self, pid: str, timeout: float | None = None) -> Any:
        """Wait for the end of a process, through interrupts and restarts, and return its output.

        Args:
            pid: The process.
            timeout: Seconds to wait at most; None: as long as it takes.

        Raises:
            ProcessFailedError: It failed; `.error` says how.
            ProcessTimedOutError: It ran into its timeout.
            ProcessCancelledError: It was cancelled.
            UnknownProcessError: There is no such process.
            TimeoutError: It has not ended in time; it goes on.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds (or
                `timeout`, if that is less), so that it is not known whether it has ended.

        Cancellation: safe; the process goes on.
        """
        return await views.result_of(self._open_room(), checked_pid(pid), timeout)

    async def info(self, pid: str) -> ProcessInfo:
        """Return how the process `pid` stands.

        Raises:
            UnknownProcessError: There is no such process.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe.
        """
        return views.info_of(await record_of(self._open_room(), checked_pid(pid)))

    async def list(
        self,
        status: str | Iterable[str] | None = None,
        name: str | None = None,
        limit: int = 100,
        after: str | None = None,
        *,
        parent: str | None = None,
        search: str | None = None,
    ) -> list[ProcessInfo]:
        """Return processes, the newest first.

        Args:
            status: Only those of this status, or of these; by name or enum.
            name: Only those of the definition of this name.
            limit: How many at most, >= 1.
            after: Only those older than this pid: the last of the page before.
            parent: Only the children of the process with this pid.
            search: Only those whose name contains this text, in any case; whose key begins with it; that have
                it as a tag; or whose pid begins with it, if it is 8 hex digits or more. Not with `parent`.

        Raises:
            ValueError: There is no such status, or the limit is below 1.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe.
        """
        room = self._open_room()
        return await listed(room, status, name=name, limit=limit, after=after, parent=parent, search=search)

    async def proceed(self, pid: str, data: Any = None) -> str:
        """Answer a process's interrupt: merge `data` over its data, and let it go on, on any manager.

        Of two mappings the union is taken, one level deep; anything else replaces. Its timeout starts anew.

        Args:
            pid: The process.
            data: The answer; JSON-able. None: it goes on with what there is.

        Returns:
            The pid.

        Raises:
            NotInterruptedError: It has no open question; of two concurrent answers one gets this.
            InvalidDataError: The answer does not fit the interrupt's schema; the process stays interrupted.
            UnknownProcessError: There is no such process.

        Cancellation: safe; the answer was taken, or it was not.

        Source: ProcessManager::proceed (MWStake).
        """
        pid = checked_pid(pid)
        await control.proceed(self._open_room(), pid, data)
        return pid

    async def cancel(self, pid: str, reason: str = "") -> bool:
        """Cancel a process: no further step starts, a running one is cancelled.

        Args:
            pid: The process.
            reason: Why; kept with the process, and in its ProcessCancelledError.

        Returns:
            True if the request was stored before the process ended: it will end as cancelled. False if it
            was over.

        Raises:
            UnknownProcessError: There is no such process.

        Cancellation: safe; the request was stored, or it was not.
        """
        return await control.cancel(self._open_room(), checked_pid(pid), reason)

    def subscribe(self, pid: str | None = None, *, after: int | None = None) -> EventStream:
        """Follow the events of a process, or of all: `async with manager.subscribe(pid) as events`.

        The stream of one process begins with its history, goes over into live events without a gap or a
        repetition, and ends when the process does. The stream of all begins now, and never ends. Every event
        is delivered after it is committed: what was seen can't be lost. Both end when the manager is closed.

        Args:
            pid: The process; None: all of them.
            after: Begin after this `seq` of the process, or after this `position` of the stream of all.

        Raises:
            ValueError: `after` is not a number that an event could have.

        Raises (on entering):
            UnknownProcessError: There is no such process.
            HistoryGoneError: Retention has deleted events after the position asked for.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.
        """
        return EventStream(self._open_room(), None if pid is None else checked_pid(pid), after)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled."""
        raise TypeError("a ProcessManager can't be copied or pickled: make another one on the same store")

    def __repr__(self) -> str:
        """Show name, store and whether it is open."""
        state = "closed" if self._tree is None else "open"
        return f"<ProcessManager {self._room.name} on {self._room.store.url} {state}>"
