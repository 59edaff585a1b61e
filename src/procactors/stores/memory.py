"""The same contract without a file and without a thread: what virtual time needs, and quick tests.

It is a SQLite database in memory, used from the event loop itself. Only who has the object can see it;
several managers may be open on it at a time. What was stored survives `close` and is there again after
`open`, for as long as the object lives.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from procactors.errors import InvalidStoreError
from procactors.stores._borrowed import foreign
from procactors.stores._errors import Translated
from procactors.stores._membership import renew
from procactors.stores._migrate import migrate_sqlite
from procactors.stores._on_sqlite import converse, transact
from procactors.stores._talking import TalkingStore

if TYPE_CHECKING:
    from procactors._clock import Clock
    from procactors.options import ManagerOptions
    from procactors.stores._store import Identity, Member
    from procactors.stores._talk import Talk

T = TypeVar("T")


class MemoryStore(TalkingStore):
    """Keeps everything in this object."""

    _connection: sqlite3.Connection | None = None
    _image: bytes | None = None
    _users = 0
    _news: anyio.Event | None = None

    def __init__(self, url: str, clock: Clock, options: ManagerOptions) -> None:
        """Begin empty."""
        super().__init__(url, clock, options)
        self._kept: dict[int, list[tuple[Member, float]]] = {}

    async def open(self) -> None:
        """Make the database, or take the one that was closed, or that somebody else has open."""
        self._users += 1
        if self._connection is not None:
            return
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        if self._image is not None:
            connection.deserialize(self._image)
        migrate_sqlite(connection, self.now(), self.url)
        self._connection = connection

    async def close(self) -> None:
        """Keep an image of the database, and close it when its last user has gone."""
        self._users = max(0, self._users - 1)
        self._kept.pop(anyio.get_current_task().id, None)
        if self._connection is not None and not self._users:
            self._image = self._connection.serialize()
            self._connection.close()
            self._connection = None

    async def _read(self, talk: Talk[T]) -> T:
        connection = await self._opened()
        with Translated(self.url):
            return converse(connection, talk)

    async def _write(self, talk: Talk[T]) -> T:
        connection = await self._opened()
        changes_before = connection.total_changes
        with Translated(self.url):
            result = transact(connection, talk)
        if self._users > 1 and connection.total_changes != changes_before:
            self._tell_users()
        return result

    async def _borrow(self, connection: Any, talk: Talk[T]) -> T:
        """Refuse: nobody else can have a transaction in here."""
        talk.close()
        raise foreign(self.url, connection)

    async def _opened(self) -> sqlite3.Connection:
        await cancel_shielded_checkpoint()
        if self._connection is None:
            raise InvalidStoreError(f"{self.url} is not open")
        return self._connection

    # Others. A lease is kept for as long as the task that registered has the store open.

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client."""
        member = await super().register(identity, lease_s)
        self._kept.setdefault(anyio.get_current_task().id, []).append((member, lease_s))
        return member

    async def unregister(self, member: Member) -> None:
        """Remove the row, and stop renewing its lease."""
        for kept in self._kept.values():
            kept[:] = [(one, lease_s) for one, lease_s in kept if one.id != member.id]
        await super().unregister(member)

    async def members(self) -> list[Member]:
        """Return all managers and clients, the leases of the living renewed just now."""
        connection = await self._opened()
        for kept in self._kept.values():
            for member, lease_s in kept:
                transact(connection, renew(member, self.now() + lease_s))
        return await super().members()

    def _tell_users(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.set()

    async def changed(self) -> None:
        """Return when one of several users has changed something."""
        if self._news is None:
            self._news = anyio.Event()
        await self._news.wait()
