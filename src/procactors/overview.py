"""The part of the manager that shows how the store and the manager itself stand, as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from procactors._clock import to_datetime
from procactors.engine.reading import read
from procactors.model.standing import Health, ManagerInfo
from procactors.stores import InHand, is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from procactors.actors import TreeRow
    from procactors.deferred import DeferredScheduler
    from procactors.engine.room import Room
    from procactors.engine.tree import Tree
    from procactors.model.event import DeferredUpdateFailed
    from procactors.model.status import ProcessStatus
    from procactors.stores import Member


class Overview:
    """What there is to see besides single processes. Base of `ProcessManager`."""

    _life: Tree | None = None
    """Its latest life."""

    def __init__(self) -> None:
        """Begin with no schedulers to show."""
        self._shown: WeakSet[DeferredScheduler] = WeakSet()

    def _open_room(self) -> Room:
        raise NotImplementedError

    def health(self) -> Health:
        """Return whether this manager is live and ready, for probes. Never blocks, never raises.

        That it answers shows that the event loop turns. Whether the store answers is known from the lease,
        which is renewed three times in its length by a thread and connection of its own: nothing is asked.
        """
        if self._life is None:
            return Health(is_live=True, is_ready=False, reason="it is not open yet")
        return self._life.health()

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
            limit: How many processes of each manager at most, >= 0; they are counted all the same.

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
        """Return the newest events that tell of a failure of what a step had deferred, the newest first.

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
        """Have a scheduler among `schedulers` as long as it is open, as the middleware has its own.

        Args:
            scheduler: One that may be open or not yet.
        """
        self._shown.add(scheduler)

    def now(self) -> datetime:
        """Return the store's time, by which everything in it is judged; aware, in UTC."""
        return self._open_room().at()

    def tree(self) -> Sequence[TreeRow]:
        """Return the actors of this manager: names, states, mailboxes, for people and dashboards."""
        return self._open_room().system.tree()
