"""The store in PostgreSQL, for more than one machine: the same operations over asyncpg (extra `postgres`).

The owners' appends of a batch, which are nearly everything in a busy system, are one call of a function in
the database: fence, events, snapshots, commit in one round trip. Any other batch is a transaction of a few.
All who write hold one advisory lock until they have committed, so that positions grow in commit order, and
so that nobody waits for rows in two orders; a writer that is stopped in the middle of its transaction is
cut off by the server after a lease's time. Others are told by NOTIFY, and look by themselves now and then,
as a notification may be lost with its connection. Time is the database's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

from procactors._clock import Deadline, Instant
from procactors.errors import InvalidStateError, InvalidStoreError
from procactors.stores._appending import AppendingTransaction
from procactors.stores._borrowed import foreign
from procactors.stores._committing import Committer
from procactors.stores._membership import renew
from procactors.stores._migrate import migrate_postgres
from procactors.stores._on_postgres import PASSES_ON, Session, converse, sql, translated
from procactors.stores._step_transaction import PostgresTransaction
from procactors.stores._talking import TalkingStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procactors._clock import Clock
    from procactors.options import ManagerOptions
    from procactors.stores import _batch as b
    from procactors.stores._on_postgres import Connection
    from procactors.stores._store import Identity, Member
    from procactors.stores._talk import Talk
    from procactors.stores._url import PostgresLocation

T = TypeVar("T")

_POLLS = 20
"""How many times `poll_idle_s` passes before a look without a notification."""

_HELLO = "hello"
_CATCHES = 3


class PostgresStore(TalkingStore):
    """Keeps everything in one schema of a PostgreSQL database, which may be the application's own."""

    def __init__(self, location: PostgresLocation, clock: Clock, options: ManagerOptions) -> None:
        """Name the database; `open` connects."""
        super().__init__(location.shown, clock, options)
        self._location = location
        self._writer = self.session()
        self._reader = self.session(self._listen)
        self._transaction = AppendingTransaction(options.ageing_s)
        self._committer = Committer(self._writer, self._transaction, self.now, self.url, options)
        self._ahead_s: float | None = None
        self._news = anyio.Event()

    def session(self, on_connect: Callable[[Connection], Awaitable[None]] | None = None) -> Session:
        """Return a new connection, not yet connected, set up as all are."""
        return Session(self._location, self.url, idle_s=self.options.lease_s, on_connect=on_connect)

    async def open(self) -> None:
        """Connect, and bring the schema to the newest version."""
        try:
            await self._outside(self._writer.run(self._refuse_passing_on))
            await self._outside(self._writer.run(self._prepare))
            await self._outside(self._reader.run(self._nothing))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.close()
            raise

    async def _refuse_passing_on(self, connection: Connection) -> None:
        """Refuse a pooler that gives the session away between transactions, as far as it can be caught at it.

        Another connection's transaction gets the session that was free a moment ago, unless somebody else
        was quicker.
        """
        if not self._writer.is_pooled:
            return
        other = self.session()
        try:
            for _ in range(_CATCHES):
                mine = await connection.fetchval(sql["backend"])
                if await other.run(lambda one: one.fetchval(sql["backend"])) == mine:
                    raise InvalidStoreError(f"{self.url} {PASSES_ON}")
        finally:
            await other.close()

    async def _prepare(self, connection: Connection) -> None:
        await self.note_time(connection)
        await migrate_postgres(connection, self._location.schema, self.now(), self.url)
        schema = await connection.fetchval("SELECT current_schema()")
        self._committer.channel = f"procactors_{schema}"[:63]

    async def _nothing(self, connection: Connection) -> None:
        """Need a connection, and nothing else."""

    async def close(self) -> None:
        """Disconnect."""
        await self._end_lease()
        for session in (self._reader, self._writer):
            await self._outside(session.close())

    # Time.

    def now(self) -> Instant:
        """Return the database's time, as far as it is known."""
        if self._ahead_s is None:
            return self.clock.wall()
        return Instant(self.clock.monotonic() + self._ahead_s)

    async def note_time(self, connection: Connection) -> None:
        """Learn what time it is in the database. May be called in any thread."""
        before = self.clock.monotonic()
        time = await connection.fetchval(sql["time"])
        middle = Deadline((before + self.clock.monotonic()) / 2)
        self._ahead_s = self.clock.lead_of(time, middle)

    # Reading and writing.

    async def _read(self, talk: Talk[T]) -> T:
        return await self._outside(self._reader.converse(talk))

    async def _write(self, talk: Talk[T]) -> T:
        return await self._outside(self._committer.settled(talk))

    async def commit(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        """Do these operations in one transaction; find out first what became of one without an answer."""
        with anyio.CancelScope(shield=True):
            outcomes = await self._outside(self._committer.commit(operations))
        return outcomes  # noqa: RET504 - mypy can't know that a shielded scope swallows nothing

    async def begin(self) -> PostgresTransaction:
        """Begin a transaction for what a step writes itself. Cancellation: none is begun, or it is undone."""
        session = Session(self._location, self.url, idle_s=0)  # a step may take its time
        try:
            return await self._outside(PostgresTransaction.begin(session))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await session.close()
            raise

    async def _borrow(self, connection: Any, talk: Talk[T]) -> T:
        """Carry on a talk in the transaction of another connection of asyncpg's to this database.

        Whoever writes events waits for its end from here on, so that positions grow in commit order.
        """
        if not isinstance(connection, asyncpg.Connection | asyncpg.pool.PoolConnectionProxy):
            raise foreign(self.url, connection)
        if not connection.is_in_transaction():
            raise InvalidStateError("tx= has to be a connection on which a transaction is open: BEGIN first")
        with translated(self.url):
            async with connection.transaction():
                path = await connection.fetchval("SELECT current_setting('search_path')")
                await connection.execute(self.search_path)
                try:
                    await connection.execute("SELECT procactors_lock()")
                except asyncpg.UndefinedFunctionError:
                    raise foreign(self.url, connection) from None
                result = await converse(connection, talk)
                await connection.fetchval(sql["notify"], self._committer.channel, "")
                await connection.fetchval("SELECT set_config('search_path', $1, TRUE)", path)
        return result

    @property
    def search_path(self) -> str:
        """The statement that finds the store's tables, until the end of a transaction."""
        schema = self._location.schema
        return "SELECT 1" if schema is None else f'SET LOCAL search_path TO "{schema}"'

    # Others.

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client, and tell the others that they have company."""
        member = await super().register(identity, lease_s)
        await self._outside(self._writer.run(lambda connection: self._committer.tell(connection, _HELLO)))
        return member

    def _renewal(self, member: Member, lease_s: float) -> _Renewal:
        return _Renewal(self, member, lease_s)

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too; nobody is told anything while there is no other."""
        found = await super().members()
        self._committer.has_company = len(found) > 1
        return found

    async def _listen(self, connection: Connection) -> None:
        await connection.add_listener(self._committer.channel, self._hear)
        connection.add_termination_listener(lambda _: self._news.set())

    def _hear(self, _connection: Connection, backend: int, _channel: str, what: str) -> None:
        if backend != self._writer.backend:
            self._committer.has_company = self._committer.has_company or what == _HELLO
            self._news.set()

    async def changed(self) -> None:
        """Return when others may have changed something: told so, or after a while."""
        with anyio.move_on_after(_POLLS * self.options.poll_idle_s):
            await self._news.wait()
        await anyio.sleep(self.options.poll_active_s)  # what comes in quick succession is one piece of news
        self._news = anyio.Event()
        await self._outside(self._reader.run(self._nothing))


class _Renewal:
    """How a lease in PostgreSQL is renewed: in an event loop of its own, in the keeper's thread."""

    def __init__(self, store: PostgresStore, member: Member, lease_s: float) -> None:
        self._store = store
        self._member = member
        self._lease_s = lease_s
        self._session = store.session()
        self._runner = asyncio.Runner()

    def renew(self) -> bool:
        """Renew the lease, and see what time it is."""
        return self._runner.run(self._session.run(self._renew))

    async def _renew(self, connection: Connection) -> bool:
        await self._store.note_time(connection)
        return await converse(connection, renew(self._member, self._store.now() + self._lease_s))

    def close(self) -> None:
        """Disconnect."""
        self._runner.run(self._session.close())
        self._runner.close()
