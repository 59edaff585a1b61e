"""The store in a SQLite file: one writer, one reader, one hop into the writer's thread for each commit.

WAL, `synchronous=FULL` (a power cut loses nothing) unless the URL says otherwise. A commit is one call
into aiosqlite's thread and shielded: begin, insert and commit awaited one by one would cost four calls,
and a cancellation between them would leave the connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite
import anyio

from procactors.errors import InvalidStoreError, StoreUnavailableError
from procactors.stores import _vacuum
from procactors.stores._borrowed import foreign
from procactors.stores._changes import Changes
from procactors.stores._errors import Translated, why_not_opened
from procactors.stores._membership import renew
from procactors.stores._migrate import migrate_sqlite
from procactors.stores._mounts import refuse_network
from procactors.stores._on_sqlite import converse, nest, transact
from procactors.stores._polling import first_answer
from procactors.stores._talking import TalkingStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors._clock import Clock
    from procactors.options import ManagerOptions
    from procactors.stores._store import Member
    from procactors.stores._talk import Talk
    from procactors.stores._url import SqliteLocation

T = TypeVar("T")

_LEAST_VERSION = (3, 35, 0)
_ATTENTIVE_S = 2.0
"""How long after somebody else's change the next one is looked for often."""


class _Connection(aiosqlite.Connection):
    """An aiosqlite connection whose thread runs whole functions."""

    _asked = 0
    _answered = 0

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function(connection)` in the connection's thread: one hop, whatever it does there."""
        self._asked += 1
        result: T = await self._execute(self._call, function)  # type: ignore[no-untyped-call]
        return result

    def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return function(self.bare)
        finally:
            self._answered += 1

    @property
    def is_idle(self) -> bool:
        """Whether its thread has nothing to do: until it is asked, any thread may use the connection."""
        return self._asked == self._answered

    @property
    def bare(self) -> sqlite3.Connection:
        """The connection itself."""
        return self._conn

    def join(self) -> None:
        """Wait for the end of the thread, which was told to stop and has nothing left to do."""
        self._thread.join()


class SqliteStore(TalkingStore):
    """Keeps everything in one SQLite file, which may be the application's own."""

    def __init__(self, location: SqliteLocation, url: str, clock: Clock, options: ManagerOptions) -> None:
        """Name the file; `open` connects."""
        super().__init__(url, clock, options)
        self._location = location
        self._writer: _Connection | None = None
        self._reader: _Connection | None = None
        self._changes: Changes | None = None
        self._attentive_until = 0.0

    async def open(self) -> None:
        """Connect, and bring the schema to the newest version."""
        if sqlite3.sqlite_version_info < _LEAST_VERSION:
            raise InvalidStoreError(f"SQLite 3.35 or newer is needed, this is {sqlite3.sqlite_version}")
        refuse_network(self._location.path, self.url)
        try:
            self._writer = await self._connected()
            await self._on(self._writer, self._prepare)
            self._reader = await self._connected()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.close()
            raise

    async def _connected(self) -> _Connection:
        connection = _Connection(self.connect, iter_chunk_size=64)
        try:
            with Translated(self.url), anyio.CancelScope(shield=True):
                await self._outside(connection)
        except BaseException:
            connection.join()
            raise
        return connection

    def connect(self) -> sqlite3.Connection:
        """Return a new connection, set up as all are."""
        path = self._location.path
        try:
            connection = sqlite3.connect(
                path,
                timeout=self.options.store_patience_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(f"{error}: {why_not_opened(path)}") from error
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA synchronous = {self._location.synchronous}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        is_new = _vacuum.begin_file(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        migrate_sqlite(connection, self.now(), self.url)
        if is_new:
            _vacuum.note_own(connection)
        self._changes = Changes(connection)

    async def close(self) -> None:
        """Disconnect."""
        await self._end_lease()
        for connection in (self._reader, self._writer):
            if connection is not None:
                await self._outside(connection.close())
                connection.join()
        self._reader = self._writer = None

    async def _read(self, talk: Talk[T]) -> T:
        return await self._on(self._reader, lambda connection: converse(connection, talk))

    async def _write(self, talk: Talk[T]) -> T:
        with anyio.CancelScope(shield=True):
            result = await self._on(self._writer, lambda connection: transact(connection, talk))
        return result  # noqa: RET504 - mypy can't know that a shielded scope swallows nothing

    async def _borrow(self, connection: Any, talk: Talk[T]) -> T:
        """Carry on a talk in the transaction of another connection of aiosqlite's to this file."""
        if not isinstance(connection, aiosqlite.Connection):
            raise foreign(self.url, connection)
        hop = connection._execute(nest, connection._conn, talk)  # type: ignore[no-untyped-call] # noqa: SLF001 - one for all of it
        try:
            with Translated(self.url), anyio.CancelScope(shield=True):
                result: T = await self._outside(hop)
        except StoreUnavailableError as error:
            if "no such table" in str(error):
                raise foreign(self.url, connection) from error
            raise
        return result

    async def _on(self, connection: _Connection | None, function: Callable[[sqlite3.Connection], T]) -> T:
        if connection is None:
            raise InvalidStoreError(f"{self.url} is not open")
        with Translated(self.url):
            return await self._outside(connection.run(function))

    async def give_back_space(self) -> None:
        """Let the file become smaller by what was deleted, in small portions, if it is all ours."""
        if await self._on(self._reader, _vacuum.is_own):
            while await self._on(self._writer, _vacuum.give_back):
                pass

    # Others.

    def _renewal(self, member: Member, lease_s: float) -> _Renewal:
        return _Renewal(self, member, lease_s)

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too; polling is quicker while there are others."""
        found = await super().members()
        if self._changes is not None:
            self._changes.has_company = len(found) > 1
        return found

    async def changed(self) -> None:
        """Return when another connection has changed the file, looking every few milliseconds."""
        changes = self._changes
        if changes is None:
            raise InvalidStoreError(f"{self.url} is not open")
        while True:
            came = await first_answer(self._glance, self._pause_s)
            if came is None:
                came = await self._on(self._writer, self._others_changed)
            if came:
                if changes.is_certain:
                    self._attentive_until = self.clock.monotonic() + _ATTENTIVE_S
                return

    def _pause_s(self) -> float:
        assert self._changes is not None
        attentive = self._changes.has_company or self.clock.monotonic() < self._attentive_until
        return self.options.poll_active_s if attentive else self.options.poll_idle_s

    def _glance(self) -> bool | None:
        """Tell whether others have changed the file; None: the writer is at work, and has to be asked."""
        if self._writer is None or not self._writer.is_idle:
            return None
        with Translated(self.url):  # some microseconds, much less than a hop
            return self._others_changed(self._writer.bare)

    def _others_changed(self, connection: sqlite3.Connection) -> bool:
        renewals = 0 if self._lease is None else self._lease.renewals
        return self._changes is not None and self._changes.have_come(connection, renewals)


class _Renewal:
    """How a lease in a SQLite file is renewed."""

    def __init__(self, store: SqliteStore, member: Member, lease_s: float) -> None:
        self._store = store
        self._member = member
        self._lease_s = lease_s
        self._connection: sqlite3.Connection | None = None

    def renew(self) -> bool:
        """Renew the lease."""
        with Translated(self._store.url):
            if self._connection is None:
                self._connection = self._store.connect()
            return transact(self._connection, renew(self._member, self._store.now() + self._lease_s))

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
