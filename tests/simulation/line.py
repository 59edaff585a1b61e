"""The line between one manager and the store, which all managers share: it can be dead for a while.

Frozen, nothing gets through, neither what the manager asks nor what it is answered: as for a program that is
suspended. Muted, only its lease is not renewed. Others take such a manager for dead, and it does not know.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import math

import anyio

from procactors.stores._batch import Purge

NEVER_FREEZES = {"open", "close", "register", "unregister", "now", "lease_left"}


class Line:
    """The store, as one manager reaches it.

    Attributes:
        member: Who the manager is; None: it is not registered yet.
        has_rare: Whether the manager has the service of that name.
        may_be_missed: Whether its lease may have run out at some time, so that others may take over from it.
        ended_at: When the manager was no more.
    """

    def __init__(self, storage, ledger, has_rare):
        self.has_rare = has_rare
        self._storage = storage
        self._store = storage.reached()
        self._ledger = ledger
        self._frozen_until = 0.0
        self._unmuting = None
        self._lease_s = 0.0
        self.member = None
        self.may_be_missed = False
        self.ended_at = math.inf

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name in NEVER_FREEZES or not inspect.iscoroutinefunction(method):
            return method

        async def call(*args):
            await self._pass()
            result = await method(*args)
            await self._pass()
            return result

        return call

    async def _pass(self):
        """Wait while the line is frozen."""
        while (left := self._frozen_until - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - grows
            await anyio.sleep(left)

    async def commit(self, operations):
        """Commit, in the sight of the ledger, which has to see what ends before it is deleted."""
        await self._pass()
        outcomes = []
        for _, some in itertools.groupby(operations, lambda operation: isinstance(operation, Purge)):
            outcomes += await self._commit(list(some))
        await self._pass()
        return outcomes

    async def _commit(self, operations):
        outcomes = await self._store.commit(operations)
        self._ledger.see(self._storage.connection, self, operations, outcomes, self._store.now())
        return outcomes

    async def register(self, identity, lease_s):
        """Become known."""
        self._lease_s = lease_s
        self.member = await self._storage.register(self._store, identity, lease_s)
        self._ledger.owners.lines[self.member.id] = self
        return self.member

    async def unregister(self, member):
        """Go for good."""
        self.may_be_missed = True
        await self._store.unregister(member)

    # Faults.

    def freeze(self, seconds):
        """Let nothing through for so long."""
        self._frozen_until = asyncio.get_running_loop().time() + seconds
        self.mute(seconds)

    def mute(self, seconds):
        """Let no renewal of the lease through for so long."""
        self.may_be_missed = True
        if self.member is None:
            return
        if self._unmuting is None:
            self._storage.mute(self.member, self._lease_s)
        else:
            self._unmuting.cancel()
        self._unmuting = asyncio.get_running_loop().call_later(seconds, self._unmute)

    def _unmute(self):
        self._unmuting = None
        self._storage.unmute(self.member, self._lease_s)

    def begin_end(self):
        """Know that the manager is about to end."""
        self.may_be_missed = True
        if self._unmuting is not None:
            self._unmuting.cancel()

    def end(self):
        """Know that the manager is no more."""
        if self.member is not None:
            self._storage.bury(self.member, self._lease_s)
        self.ended_at = asyncio.get_running_loop().time()
