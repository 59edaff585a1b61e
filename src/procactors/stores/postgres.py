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
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

from procactors._clock import Deadline, Instant
from procactors.errors import InvalidStateError, InvalidStoreError, StoreUnavailableError
from procactors.stores import _batch as b
from procactors.stores._appending import AppendingTransaction, append_at_once, landed
from procactors.stores._borrowed import foreign
from procactors.stores._lease import LeaseKeeper
from procactors.stores._membership import renew
from procactors.stores._migrate import migrate_postgres
from procactors.stores._on_postgres import PASSES_ON, Session, converse, sql, translated
from procactors.stores._step_transaction import PostgresTransaction
from procactors.stores._talking import TalkingStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from procactors._clock import Clock
    from procactors.options import ManagerOptions
    from procactors.stores._on_postgres import Connection
    from procactors.stores._store import Identity, Member
    from procactors.stores._talk import Talk
    from procactors.stores._url import PostgresLocation

T = TypeVar("T")

_POLLS = 20
"""How many times `poll_idle_s` passes before a look without a notification."""

_HELLO = "hello"
_CATCHES = 3


@dataclass(frozen=True)
class _Unanswered:
    """A batch whose COMMIT was sent and never answered, and how to find out what became of it."""

    operations: Sequence[b.Operation]
    find_out: Callable[[], Awaitable[list[b.Outcome] | None]]


class PostgresStore(TalkingStore):
    """Keeps everything in one schema of a PostgreSQL database, which may be the application's own."""

    def __init__(self, location: PostgresLocation, clock: Clock, options: ManagerOptions) -> None:
        """Name the database; `open` connects."""
        super().__init__(location.shown, clock, options)
        self._transaction = AppendingTransaction(options.ageing_s)
        self._location = location
        self._writer = self.session()
        self._reader = self.session(self._listen)
        self._channel = "procactors"
        self._has_company = True
        self._ahead_s: float | None = None
        self._news = anyio.Event()
        self._unanswered: _Unanswered | None = None

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
        self._channel = f"procactors_{schema}"[:63]

    async def _nothing(self, connection: Connection) -> None:
        """Need a connection, and nothing else."""

    async def _outside(self, work: Awaitable[T]) -> T:
        self.clock.begin_outside()
        try:
            return await work
        finally:
            self.clock.end_outside()

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
        return await self._outside(self._settled(talk))

    async def commit(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        """Do these operations in one transaction; find out first what became of one without an answer."""
        with anyio.CancelScope(shield=True):
            outcomes = await self._outside(self._commit(operations))
        return outcomes  # noqa: RET504 - mypy can't know that a shielded scope swallows nothing

    async def _commit(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        if any(type(op) is b.Append and op.within is not None for op in operations):
            return await self._commit_apart(operations)
        outcomes = await self._answered(operations)
        if outcomes is None and all(type(op) is b.Append and op.is_plain for op in operations):
            outcomes = await self._append(operations)
        return await self._transact(operations) if outcomes is None else outcomes

    async def _commit_apart(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        """Commit each checkpoint that has a transaction of its own in that, and the others together."""
        outcomes: dict[int, b.Outcome] = {}
        others = []
        for number, operation in enumerate(operations):
            if type(operation) is b.Append and operation.within is not None:
                outcomes[number] = await self._commit_within(operation)
            else:
                others.append((number, operation))
        if others:
            numbers, rest = zip(*others, strict=True)
            outcomes.update(zip(numbers, await self._commit(rest), strict=True))
        return [outcomes[number] for number in range(len(operations))]

    async def _commit_within(self, append: b.Append) -> b.Outcome:
        async def write(connection: Connection) -> b.Outcome:
            await connection.execute(self._while_locked)
            (outcome,) = await converse(connection, self._transaction.batch([append], self.now()))
            await self._tell(connection)
            return outcome

        outcome: b.Outcome = await append.within.commit(write, lambda: self._settled(landed([append])))
        return outcome

    async def begin(self) -> PostgresTransaction:
        """Begin a transaction for what a step writes itself. Cancellation: none is begun, or it is undone."""
        session = Session(self._location, self.url, idle_s=0)  # a step may take its time
        try:
            return await self._outside(PostgresTransaction.begin(session))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await session.close()
            raise

    @property
    def _while_locked(self) -> str:
        """The statements before a checkpoint in somebody else's transaction: everybody waits for its end."""
        idle_ms = int(self.options.lease_s * 1000)
        return f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}; SELECT procactors_lock()"

    async def _append(self, appends: Sequence[Any]) -> list[b.Outcome] | None:
        """Do all these appends in one round trip, or none of them."""
        now, channel = self.now(), self._channel if self._has_company else ""
        talk = append_at_once(appends, now, self.options.ageing_s, channel)
        try:
            return await self._writer.converse(talk)
        except InvalidStoreError:
            raise  # an answer
        except StoreUnavailableError:
            self._unanswered = _Unanswered(appends, lambda: self._settled(landed(appends)))
            raise

    async def _transact(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        talk = self._transaction.batch(operations, self.now())

        async def work(connection: Connection) -> list[b.Outcome]:
            await self._begin(connection)
            async with _undone_on_error(connection):
                outcomes = await converse(connection, talk)
                number = await connection.fetchval(sql["end"], self._channel if self._has_company else None)
                self._unanswered = _Unanswered(operations, lambda: self._if_done(number, outcomes))
                await connection.execute("COMMIT")
            self._unanswered = None
            return outcomes

        return await self._writer.run(work)

    async def _answered(self, operations: Sequence[b.Operation]) -> list[b.Outcome] | None:
        """Return the outcomes of these operations, if they are of a batch that was committed after all."""
        if self._unanswered is None:
            return None
        outcomes = await self._unanswered.find_out()
        known = {id(op): n for n, op in enumerate(self._unanswered.operations)}
        self._unanswered = None
        if outcomes is None or not all(id(op) in known for op in operations):
            return None
        return [outcomes[known[id(op)]] for op in operations]

    async def _settled(self, talk: Talk[T]) -> T:
        """Carry on a talk in a transaction, once all others that write have ended."""

        async def work(connection: Connection) -> T:
            await self._begin(connection)
            async with _undone_on_error(connection):
                result = await converse(connection, talk)
                await self._tell(connection)
                await connection.execute("COMMIT")
            return result

        return await self._writer.run(work)

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
                await connection.fetchval(sql["notify"], self._channel, "")
                await connection.fetchval("SELECT set_config('search_path', $1, TRUE)", path)
        return result

    @property
    def search_path(self) -> str:
        """The statement that finds the store's tables, until the end of a transaction."""
        schema = self._location.schema
        return "SELECT 1" if schema is None else f'SET LOCAL search_path TO "{schema}"'

    async def _if_done(self, number: str, outcomes: list[b.Outcome]) -> list[b.Outcome] | None:
        status = await self._writer.run(lambda c: c.fetchval(sql["outcome_of_transaction"], number))
        if status == "in progress":
            raise StoreUnavailableError(f"{self.url}: the last transaction has not ended yet")
        return outcomes if status == "committed" else None

    async def _begin(self, connection: Connection) -> None:
        await connection.execute("BEGIN; SELECT procactors_lock()")

    async def _tell(self, connection: Connection, what: str = "") -> None:
        if self._has_company:
            await connection.fetchval(sql["notify"], self._channel, what)

    # Others.

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client, and keep its lease from a thread of its own."""
        member = await super().register(identity, lease_s)
        await self._outside(self._writer.run(lambda connection: self._tell(connection, _HELLO)))
        self._lease = LeaseKeeper(_Renewal(self, member, lease_s), member, lease_s)
        self._lease.start()
        return member

    async def unregister(self, member: Member) -> None:
        """End the lease, and remove the row."""
        await self._end_lease()
        await super().unregister(member)

    async def _end_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await self._outside(lease.stop())

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too; nobody is told anything while there is no other."""
        found = await super().members()
        self._has_company = len(found) > 1
        return found

    async def _listen(self, connection: Connection) -> None:
        await connection.add_listener(self._channel, self._hear)
        connection.add_termination_listener(lambda _: self._news.set())

    def _hear(self, _connection: Connection, backend: int, _channel: str, what: str) -> None:
        if backend != self._writer.backend:
            self._has_company = self._has_company or what == _HELLO
            self._news.set()

    async def changed(self) -> None:
        """Return when others may have changed something: told so, or after a while."""
        with anyio.move_on_after(_POLLS * self.options.poll_idle_s):
            await self._news.wait()
        await anyio.sleep(self.options.poll_active_s)  # what comes in quick succession is one piece of news
        self._news = anyio.Event()
        await self._outside(self._reader.run(self._nothing))


@asynccontextmanager
async def _undone_on_error(connection: Connection) -> AsyncIterator[None]:
    """Roll back when the body fails, if there still is a connection."""
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise


class _Renewal:
    """How a lease in PostgreSQL is renewed: in an event loop of the keeper's thread's own."""

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
