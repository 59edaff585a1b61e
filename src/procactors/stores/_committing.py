"""How batches are committed to PostgreSQL, and what became of one whose COMMIT was never answered."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from procactors.errors import InvalidStoreError, StoreUnavailableError
from procactors.stores import _batch as b
from procactors.stores._appending import AppendingTransaction, append_at_once, landed
from procactors.stores._on_postgres import converse, idle_limit, sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from procactors._clock import Instant
    from procactors.options import ManagerOptions
    from procactors.stores._on_postgres import Connection, Session
    from procactors.stores._talk import Talk

T = TypeVar("T")


@dataclass(frozen=True)
class _Unanswered:
    """A batch whose COMMIT was sent and never answered, and how to find out what became of it."""

    operations: Sequence[b.Operation]
    find_out: Callable[[], Awaitable[list[b.Outcome] | None]]


class Committer:
    """Writes through one session, which nobody else writes through.

    Attributes:
        channel: Where others listen for what was committed.
        has_company: Whether anybody listens.
    """

    def __init__(
        self,
        session: Session,
        transaction: AppendingTransaction,
        now: Callable[[], Instant],
        url: str,
        options: ManagerOptions,
    ) -> None:
        """Do `transaction` through `session`, by the time `now` tells; `url` is for errors."""
        self.channel = "procactors"
        self.has_company = True
        self._session = session
        self._now = now
        self._url = url
        self._options = options
        self._transaction = transaction
        self._unanswered: _Unanswered | None = None

    async def commit(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        """Do these operations in one transaction; find out first what became of one without an answer.

        Raises:
            StoreUnavailableError: It is not known whether they were written: call again with the same ones.
        """
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
            outcomes.update(zip(numbers, await self.commit(rest), strict=True))
        return [outcomes[number] for number in range(len(operations))]

    async def _commit_within(self, append: b.Append) -> b.Outcome:
        async def write(connection: Connection) -> b.Outcome:
            await connection.execute(self._while_locked)
            (outcome,) = await converse(connection, self._transaction.batch([append], self._now()))
            await self.tell(connection)
            return outcome

        outcome: b.Outcome = await append.within.commit(write, lambda: self.settled(landed([append])))
        return outcome

    @property
    def _while_locked(self) -> str:
        """The statements before a checkpoint in somebody else's transaction: everybody waits for its end."""
        return f"SET LOCAL {idle_limit(self._options.lease_s)}; SELECT procactors_lock()"

    async def _append(self, appends: Sequence[Any]) -> list[b.Outcome] | None:
        """Do all these appends in one round trip, or none of them."""
        now, channel = self._now(), self.channel if self.has_company else ""
        talk = append_at_once(appends, now, self._options.ageing_s, channel)
        try:
            return await self._session.converse(talk)
        except InvalidStoreError:
            raise  # an answer
        except StoreUnavailableError:
            self._unanswered = _Unanswered(appends, lambda: self.settled(landed(appends)))
            raise

    async def _transact(self, operations: Sequence[b.Operation]) -> list[b.Outcome]:
        talk = self._transaction.batch(operations, self._now())
        begun = _begun_for_guests if any(type(op) is b.Append and op.guests for op in operations) else _begun

        async def work(connection: Connection) -> list[b.Outcome]:
            async with begun(connection):
                outcomes = await converse(connection, talk)
                number = await connection.fetchval(sql["end"], self.channel if self.has_company else None)
                self._unanswered = _Unanswered(operations, lambda: self._if_done(number, outcomes))
            self._unanswered = None
            return outcomes

        return await self._session.run(work)

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

    async def settled(self, talk: Talk[T]) -> T:
        """Carry on a talk in a transaction, once all others that write have ended."""

        async def work(connection: Connection) -> T:
            async with _begun(connection):
                result = await converse(connection, talk)
                await self.tell(connection)
            return result

        return await self._session.run(work)

    async def _if_done(self, number: str, outcomes: list[b.Outcome]) -> list[b.Outcome] | None:
        status = await self._session.run(lambda c: c.fetchval(sql["outcome_of_transaction"], number))
        if status == "in progress":
            raise StoreUnavailableError(f"{self._url}: the last transaction has not ended yet")
        return outcomes if status == "committed" else None

    async def tell(self, connection: Connection, what: str = "") -> None:
        """Tell the others that something has changed, or `what` it is."""
        if self.has_company:
            await connection.fetchval(sql["notify"], self.channel, what)


@asynccontextmanager
async def _begun(connection: Connection) -> AsyncIterator[None]:
    """A transaction of who writes events: committed, or undone by an error if there still is a connection."""
    await connection.execute("BEGIN; SELECT procactors_lock()")
    try:
        yield
        await connection.execute("COMMIT")
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise


@asynccontextmanager
async def _begun_for_guests(connection: Connection) -> AsyncIterator[None]:
    """The same at a round trip more: within asyncpg's own transaction users' functions can have theirs."""
    async with connection.transaction():
        await connection.execute("SELECT procactors_lock()")
        yield
