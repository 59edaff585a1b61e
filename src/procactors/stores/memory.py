"""The same contract without a file and without a thread: what virtual time needs, and quick tests.

It is a SQLite database in memory, used from the event loop itself. Nobody else can see it. What was
stored survives `close` and is there again after `open`, for as long as the object lives.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from procactors.errors import InvalidStoreError
from procactors.stores._errors import translated
from procactors.stores._migrate import migrate_sqlite
from procactors.stores._on_sqlite import OnSqlite
from procactors.stores._transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class MemoryStore(OnSqlite):
    """Keeps everything in this object."""

    _connection: sqlite3.Connection | None = None
    _image: bytes | None = None

    async def open(self) -> None:
        """Make the database, or take the one that was closed."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        if self._image is not None:
            connection.deserialize(self._image)
        migrate_sqlite(connection, self.now(), self.url)
        self._connection = connection
        self._transaction = Transaction(connection, self.options.ageing_s)

    async def close(self) -> None:
        """Keep an image of the database, and close it."""
        if self._connection is not None:
            self._image = self._connection.serialize()
            self._connection.close()
            self._connection = None

    async def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await self._write(function)

    async def _write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        await cancel_shielded_checkpoint()
        if self._connection is None:
            raise InvalidStoreError(f"{self.url} is not open")
        with translated(self.url):
            return function(self._connection)

    async def changed(self) -> None:
        """Wait for ever: nobody else can change it."""
        await anyio.sleep_forever()
