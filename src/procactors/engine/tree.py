"""The engine's fixed tree of actors, and its start order.

    persistence <- streams, watchdog <- processes (one actor each) <- supervisor
                <- retention, lookout, plugins

Under rest-for-one: when one of them fails, those started after it, which depend on it, begin anew too. A
process actor is never restarted from memory: the supervisor's next life recovers it from the store.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors import ActorSystem, Strategy
from procactors.deferred import DeferredScheduler
from procactors.engine.lookout import LookoutActor
from procactors.engine.messages import Drain
from procactors.engine.persistence import PersistenceActor
from procactors.engine.plugins import PluginsActor
from procactors.engine.retention import RetentionActor
from procactors.engine.stall import StallWatch
from procactors.engine.streams import StreamsActor
from procactors.engine.supervisor import SupervisorActor
from procactors.engine.updates import rescue
from procactors.engine.watchdog import WatchdogActor
from procactors.errors import ActorStoppedError
from procactors.model.standing import Health
from procactors.stores import this_process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procactors.engine.room import Room
    from procactors.model.plugin import Plugin

_log = logging.getLogger("procactors.engine")


class Tree:
    """One manager's engine, alive.

    It lives in a task of its own, so that it can be opened in one task and closed in another (as web
    frameworks do), and so that cancelling the opener still lets it close in good order. The task is held here
    and awaited by `close`.
    """

    def __init__(self, room: Room, plugins: Sequence[Plugin] = (), manager: Any = None) -> None:
        """Make the tree of `room`; `open` brings it to life.

        Args:
            room: What its actors have in common.
            plugins: What is run periodically.
            manager: What plugins get as their manager.
        """
        self._room = room
        self._plugins = plugins
        self._manager = manager
        self._task: asyncio.Task[None] | None = None
        self._opened = anyio.Event()
        self._closing = anyio.Event()
        self._failure: BaseException | None = None
        self._scope = anyio.CancelScope()
        self._stall = StallWatch(room)
        self._leaves_some = False
        """Whether processes are left that it owns: its row stays, so that others miss it and take over."""

    async def open(self) -> None:
        """Open the store, start all actors. Raises what went wrong, with nothing left behind."""
        self._room.is_closing = False
        try:
            loop = self._room.loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("a manager needs asyncio, and is not opened by trio's loop") from None
        self._task = loop.create_task(self._live(), name="procactors", context=Context())
        try:
            await self._opened.wait()
        except BaseException:
            await self._cut_short()
            raise
        if self._failure is not None:
            await self._task
            raise self._failure

    def health(self) -> Health:
        """Return how it stands. Never blocks, and may be asked at any time of its life."""
        if self._task is not None and self._task.done():
            has_failed = self._failure is not None and not self._closing.is_set()
            reason = "its engine has ended with an error: restart it" if has_failed else "it is closed"
            return Health(is_live=not has_failed, is_ready=False, reason=reason)
        if self._closing.is_set():
            reason = "it is closing: it takes up nothing more"
        elif not self._opened.is_set():
            reason = "it is not open yet"
        elif (left := self._room.store.lease_left()) < 0:
            silent_s = self._room.options.lease_s - left
            reason = f"its store has not answered for {silent_s:.1f} s: its lease has run out"
        else:
            reason = self._room.troubles.unready(self._room.options.lease_s)
        unreadable = self._room.store.unreadable().items()
        warnings = (
            *self._room.troubles.warnings(),
            *(f"process {pid} is passed over, as it can't be read: {why}" for pid, why in unreadable),
        )
        return Health(is_live=True, is_ready=not reason, reason=reason, warnings=warnings)

    async def close(self) -> None:
        """Release what runs, stop all actors, close the store. Twice is fine."""
        self._closing.set()
        self._room.is_closing = True
        if self._task is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])

    async def kill(self) -> None:
        """End without a word, as `kill -9` would: nothing is released, no row is removed."""
        self._leaves_some = self._room.is_closing = True
        await self._cut_short()

    async def _cut_short(self) -> None:
        if self._task is not None:
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])

    async def _live(self) -> None:
        try:
            with self._scope:
                await self._with_store()
        except Exception as error:  # noqa: BLE001 - the opener raises it, or it is logged
            if self._opened.is_set():
                _log.exception("the engine ended with an error")
            self._failure = error
        finally:
            self._opened.set()

    async def _with_store(self) -> None:
        room = self._room
        try:
            await room.store.open()
            room.member = await room.store.register(
                this_process(room.name, "manager" if room.runs else "client"), room.options.lease_s
            )
            try:
                await self._watched()
            except Exception:
                self._leaves_some = self._opened.is_set()
                raise
            finally:
                if not self._leaves_some:
                    with anyio.CancelScope(shield=True):
                        await room.store.unregister(room.member)
        finally:
            with anyio.CancelScope(shield=True):
                await room.store.close()

    async def _watched(self) -> None:
        self._stall.start()
        try:
            await self._serve()
        finally:
            self._stall.stop()

    async def _serve(self) -> None:
        room = self._room
        system = ActorSystem(
            name=f"procactors {room.name}",
            strategy=Strategy.REST_FOR_ONE,
            clock=room.clock,
            rng=room.ids.random,
            observer=room.observer,
        )
        try:
            await self._serve_in(system)
        finally:
            await room.executors.close()

    async def _serve_in(self, system: ActorSystem) -> None:
        room = self._room
        async with system:
            room.system = system
            room.persistence = await system.start(lambda: PersistenceActor(room), name="persistence")
            room.streams = await system.start(lambda: StreamsActor(room), name="streams")
            if room.runs:
                await self._start_running(system)
            await system.start(lambda: LookoutActor(room), name="lookout")
            if room.runs and self._plugins:
                await system.start(lambda: PluginsActor(room, self._plugins, self._manager), name="plugins")
            self._opened.set()
            await self._until_closing_or_end_of(system)
            if room.runs:
                await self._drain()
                await room.deferred.close()

    async def _until_closing_or_end_of(self, system: ActorSystem) -> None:
        async with anyio.create_task_group() as group:

            async def wait_for(fact: Callable[[], Awaitable[object]]) -> None:
                await fact()
                group.cancel_scope.cancel()

            group.start_soon(wait_for, self._closing.wait)
            group.start_soon(wait_for, system.ended)

    async def _start_running(self, system: ActorSystem) -> None:
        room = self._room
        room.watchdog = await system.start(lambda: WatchdogActor(room), name="watchdog")
        room.deferred = await self._start_deferred(system)
        room.processes = await system.supervise("processes")
        room.supervisor = await system.start(lambda: SupervisorActor(room), name="supervisor")
        await system.start(lambda: RetentionActor(room), name="retention")

    async def _start_deferred(self, system: ActorSystem) -> DeferredScheduler:
        """Start the scheduler of what steps defer; at the end it stores what it could not run."""
        room = self._room
        scheduler = DeferredScheduler(
            max_running=room.max_running,
            drain_s=room.options.grace_s,
            rescue=partial(rescue, room),
            system=system,
        )
        return await scheduler.__aenter__()

    async def _drain(self) -> None:
        options = self._room.options
        patience_s = 2 * options.grace_s + options.kill_grace_s + options.store_patience_s
        self._leaves_some = True
        with anyio.move_on_after(patience_s), suppress(ActorStoppedError):
            await self._room.supervisor.ask(Drain(options.grace_s), timeout=None)
            self._leaves_some = False
        if self._leaves_some:
            _log.warning("not all that ran could be released: others take over when they miss this manager")
