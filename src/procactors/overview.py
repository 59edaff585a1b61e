"""The part of the manager that shows the state of the store, and of the manager itself, as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from procactors._clock import to_datetime
from procactors.engine.reading import read
from procactors.model.standing import Health, ManagerInfo
from procactors.opening import Opening
from procactors.stores import InHand, is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from procactors.actors import TreeRow
    from procactors.deferred import DeferredScheduler
    from procactors.engine.room import Room
    from procactors.model.event import DeferredUpdateFailed
    from procactors.model.plugin import Plugin
    from procactors.model.status import ProcessStatus
    from procactors.stores import Member


class Overview(Opening):
    """What there is to see besides single processes. Base of `ProcessManager`."""

    def __init__(self, room: Room, plugins: Sequence[Plugin]) -> None:
        """Begin closed, and with no schedulers to show."""
        super().__init__(room, plugins)
        self._shown: WeakSet[DeferredScheduler] = WeakSet()

    def health(self) -> Health:
        """Return whether this manager is live and ready, for probes. Never blocks, never raises.

        An answer shows that the event loop is running. Whether the store answers is known from the lease,
        which a thread with a connection of its own renews three times per lease: no query is made.
        """
        if self._latest is None:
            return Health(is_live=True, is_ready=False, reason="it is not open yet")
        return self._latest.health()

    async def counts(self) -> dict[ProcessStatus, int]:
        """Return how many processes there are of each status. Cancellation: safe."""
        room = self._open_room()
        return await read(room, room.store.counts)

    async def managers(self) -> Sequence[Member]:
        """Return all managers and clients that are registered on the store. Cancellation: safe."""
        room = self._open_room()
        return await read(room, room.store.members)

    async def names(self) -> list[str]:
        """Return the names of the definitions that have processes, sorted. Cancellation: safe."""
        room = self._open_room()
        return await read(room, room.store.names)

    async def fleet(self, limit: int = 100) -> Sequence[ManagerInfo]:
        """Return who is on the store, who of them is alive, and what each runs.

        Args:
            limit: How many processes of each manager are listed at most, >= 0; all of them are counted.

        Cancellation: safe.
        """
        room = self._open_room()
        in_hand = await read(room, room.store.running, limit)
        members = await read(room, room.store.members)
        here, now = this_process("", "client"), room.store.now()
        return [
            ManagerInfo(
                name=member.identity.name,
                kind=member.identity.kind,
                host=member.identity.host,
                os_pid=member.identity.os_pid,
                registered_at=to_datetime(member.registered_at),
                is_alive=not is_gone(member, here, now),
                running=found.count,
                processes=found.processes,
            )
            for member in members
            for found in [in_hand.get(member.id, InHand(0, ()))]
        ]

    async def deferred_failures(self, limit: int = 100) -> Sequence[DeferredUpdateFailed]:
        """Return the newest failures of updates that steps had deferred, the newest first.

        Args:
            limit: How many at most.

        Cancellation: safe.
        """
        room = self._open_room()
        return await read(room, room.store.deferred_failures, limit)

    def schedulers(self) -> Sequence[DeferredScheduler]:
        """Return the schedulers of deferred updates that are open: its own for what steps defer, and others.

        A client has none of its own.
        """
        room = self._open_room()
        own = [room.deferred] if room.runs else []
        return [*own, *sorted((one for one in self._shown if one.is_open), key=lambda one: one.name)]

    def show_scheduler(self, scheduler: DeferredScheduler) -> None:
        """Show a scheduler among `schedulers` while it is open; the middleware does this with its own.

        Args:
            scheduler: It need not be open yet.
        """
        self._shown.add(scheduler)

    def now(self) -> datetime:
        """Return the store's time, by which all its deadlines are judged; aware, in UTC."""
        return self._open_room().at()

    def tree(self) -> Sequence[TreeRow]:
        """Return the actors of this manager: names, states, mailboxes, for people and dashboards."""
        return self._open_room().system.tree()
