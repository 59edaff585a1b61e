"""A simulation's state in a real SQLite file, to which each manager has its own connections.

Connections to a file have threads, which would come back at any time, and leases are renewed by real time. So
here all is done in the loop, and a lease lasts for ever until it is muted: the same seed gives the same
history. All else is as it is: the SQL, transactions, locks, and how managers see that others have written.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import asynccontextmanager

import anyio
import msgspec
from anyio.lowlevel import cancel_shielded_checkpoint

from procactors.stores._membership import renew
from procactors.stores._on_sqlite import nest, transact
from procactors.stores._url import sqlite_location
from procactors.stores.sqlite import SqliteStore

FOR_EVER_S = 10**9
POLL_S = 0.05


class InFile:
    """The file.

    Attributes:
        connection: By which the ledger looks into it.
        is_lent: Whether an application has a transaction of its own in it, and everybody waits.
    """

    def __init__(self, clock, options):
        self._clock = clock
        self._options = msgspec.structs.replace(options, poll_active_s=POLL_S)
        self._folder = tempfile.TemporaryDirectory(prefix="procactors-simulation-")
        self._path = f"{self._folder.name}/store.db"
        self._returned = anyio.Event()
        self._put_off = []
        self._living = {}
        self.is_lent = False
        self.connection = None

    async def open(self):
        """Look into it."""
        if self.connection is None:
            self.connection = sqlite3.connect(self._path, isolation_level=None)

    async def close(self):
        """Forget it."""
        if self.connection is not None:
            self.connection.close()
        self._folder.cleanup()

    def reached(self):
        """Return the store for one more manager."""
        url = f"sqlite:///{self._path}?synchronous=NORMAL"
        return LoopStore(sqlite_location(url), url, self._clock, self._options, self)

    async def register(self, store, identity, _lease_s):
        """Make a manager known, for ever."""
        member = await store.register(identity, FOR_EVER_S)
        self._living[member.id] = member
        await self.open()
        return member

    def mute(self, member, lease_s):
        """Let a lease run out."""
        self.forget(member)
        self._renew(member, self._clock.wall() + lease_s)

    def unmute(self, member, _lease_s):
        """Renew it."""
        self._living[member.id] = member
        self._renew(member, self._clock.wall() + FOR_EVER_S)

    def bury(self, member, lease_s):
        """Let the lease of a dead manager run out, if it has not taken leave."""
        self.forget(member)
        known = "SELECT 1 FROM procactors_managers WHERE id = ? AND lease_until > ?"
        until = self._clock.wall() + lease_s
        if self.connection.execute(known, (member.id, until)).fetchone():
            self._renew(member, until)

    def forget(self, member):
        """Renew a lease no more."""
        self._living.pop(member.id, None)

    def see_to_leases(self):
        """Let those show that they are alive who were taken for dead."""
        known = {number for (number,) in self.connection.execute("SELECT id FROM procactors_managers")}
        for number, member in self._living.items():
            if number not in known:
                self._renew(member, self._clock.wall() + FOR_EVER_S)

    def _renew(self, member, until):
        if self.is_lent:
            self._put_off.append((member, until))
        else:
            transact(self.connection, renew(member, until))

    # An application's own transactions.

    def lend(self):
        """Know that the lock is taken."""
        self.is_lent = True
        self._returned = anyio.Event()

    async def until_free(self):
        """Wait as long as an application holds the lock."""
        while self.is_lent:
            await self._returned.wait()

    @asynccontextmanager
    async def transaction(self):
        """Open a transaction, which is rolled back unless it is committed."""
        await self.until_free()
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
            self.is_lent = False
            self._returned.set()
            put_off, self._put_off = self._put_off, []
            for member, until in put_off:
                self._renew(member, until)


class LoopStore(SqliteStore):
    """A manager's store, which does all in the loop."""

    def __init__(self, location, url, clock, options, file):
        super().__init__(location, url, clock, options)
        self._file = file

    async def _connected(self):
        await cancel_shielded_checkpoint()
        return LoopConnection(self.connect())

    async def _on(self, connection, function):
        if connection is not None and connection is self._writer:
            connection.until_free = self._file.until_free
        return await super()._on(connection, function)

    async def _borrow(self, connection, talk):
        await self._file.until_free()
        self._file.lend()
        return nest(connection, talk)

    async def members(self):
        self._file.see_to_leases()
        return await super().members()

    async def unregister(self, member):
        self._file.forget(member)
        await super().unregister(member)

    def _renewal(self, member, lease_s):
        return None


class LoopConnection:
    """A connection without a thread.

    Attributes:
        until_free: What one that writes waits for, right before it does.
    """

    is_idle = True

    def __init__(self, bare):
        self.bare = bare
        self.until_free = None

    async def run(self, function):
        await cancel_shielded_checkpoint()
        if self.until_free is not None:
            await self.until_free()
        return function(self.bare)

    async def close(self):
        self.bare.close()

    def join(self):
        pass
