"""Where the state of a simulation lives: in memory, which is quick, or in a real SQLite file."""

from __future__ import annotations

import anyio

from procactors.stores.memory import MemoryStore


class InMemory:
    """One store for all managers.

    Attributes:
        connection: By which the ledger looks into it.
        is_lent: Whether an application has a transaction of its own in it.
    """

    is_lent = False

    def __init__(self, clock, options):
        self._store = MemoryStore("memory://", clock, options)
        self._kept = {}

    @property
    def connection(self):
        return self._store._connection

    async def open(self):
        """Let it be looked into after all managers have gone."""
        await self._store.open()

    async def close(self):
        """Forget it."""
        await self._store.close()

    def reached(self):
        """Return the store for one more manager."""
        return self._store

    async def register(self, store, identity, lease_s):
        """Make a manager known, whose lease is renewed as long as it lives."""
        member = await store.register(identity, lease_s)
        self._kept[member.id] = store._kept[anyio.get_current_task().id]
        return member

    def mute(self, member, _lease_s):
        """Renew a lease no more."""
        kept = self._kept[member.id]
        kept[:] = [one for one in kept if one[0].id != member.id]

    def unmute(self, member, lease_s):
        """Renew it again."""
        self._kept[member.id].append((member, lease_s))

    def bury(self, member, lease_s):
        """Let the lease of a dead manager run out, as nobody renews it."""
