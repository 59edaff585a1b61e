"""The part of the manager that shows how the store and the manager itself stand, as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model.standing import Health

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from procactors.actors import TreeRow
    from procactors.engine.room import Room
    from procactors.engine.tree import Tree
    from procactors.model.status import ProcessStatus
    from procactors.stores import Member


class Overview:
    """What there is to see besides single processes. Base of `ProcessManager`."""

    _life: Tree | None = None
    """Its latest life."""

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
        return await self._open_room().store.counts()

    async def managers(self) -> Sequence[Member]:
        """Return all managers and clients that are registered on the store. Cancellation: safe."""
        return await self._open_room().store.members()

    async def owned(self) -> dict[int, dict[str, int]]:
        """Return how many processes of each name each manager runs, by the `id` that `managers` gives it.

        Cancellation: safe.
        """
        return await self._open_room().store.owned()

    async def names(self) -> list[str]:
        """Return the names of the definitions that have processes, sorted. Cancellation: safe."""
        return await self._open_room().store.names()

    def now(self) -> datetime:
        """Return the store's time, by which everything in it is judged; aware, in UTC."""
        return self._open_room().at()

    def tree(self) -> Sequence[TreeRow]:
        """Return the actors of this manager: names, states, mailboxes, for people and dashboards."""
        return self._open_room().system.tree()
