"""The line between one manager and the store, which all managers share: it can be dead for a while.

Frozen, nothing gets through, neither what the manager asks nor what it is answered: as for a program that is
suspended. Muted, only its lease is not renewed. Others take such a manager for dead, and it does not know.
"""

from __future__ import annotations

import asyncio
import inspect
import math

import anyio

NEVER_FREEZES = {"open", "close", "register", "unregister", "now", "lease_left"}


class Line:
    """The store, as one manager reaches it.

    Attributes:
        member: Who the manager is; None: it is not registered yet.
        may_be_missed: Whether its lease may have run out at some time, so that others may take over from it.
        ended_at: When the manager was no more.
    """

    def __init__(self, memory, ledger):
        self._memory = memory
        self._ledger = ledger
        self._frozen_until = 0.0
        self._unmuting = None
        self._kept = None
        self.member = None
        self.may_be_missed = False
        self.ended_at = math.inf

    def __getattr__(self, name):
        method = getattr(self._memory, name)
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
        """Commit, in the sight of the ledger."""
        await self._pass()
        outcomes = await self._memory.commit(operations)
        self._ledger.see(self._memory._connection, self, operations, outcomes)
        await self._pass()
        return outcomes

    async def register(self, identity, lease_s):
        """Become known."""
        self.member = await self._memory.register(identity, lease_s)
        self._kept = self._memory._kept[anyio.get_current_task().id]
        self._ledger.owners.lines[self.member.id] = self
        return self.member

    async def unregister(self, member):
        """Go for good."""
        self.may_be_missed = True
        await self._memory.unregister(member)

    # Faults.

    def freeze(self, seconds):
        """Let nothing through for so long."""
        self._frozen_until = asyncio.get_running_loop().time() + seconds
        self.mute(seconds)

    def mute(self, seconds):
        """Let no renewal of the lease through for so long."""
        self.may_be_missed = True
        if self._unmuting is not None:
            self._unmuting.cancel()
        if self._kept is not None:
            self._lease = [one for one in self._kept if one[0].id == self.member.id] or self._lease
            self._kept[:] = [one for one in self._kept if one not in self._lease]
            self._unmuting = asyncio.get_running_loop().call_later(seconds, self._unmute)

    def _unmute(self):
        self._unmuting = None
        self._kept += self._lease

    def begin_end(self):
        """Know that the manager is about to end."""
        self.may_be_missed = True
        if self._unmuting is not None:
            self._unmuting.cancel()

    def end(self):
        """Know that the manager is no more."""
        self.ended_at = asyncio.get_running_loop().time()
