"""What every store on a database has in common: each method is a talk, and most are one query.

The subclasses carry it on: in a thread of its own on a file, in the event loop on a database in memory,
over the network.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from procactors.errors import InvalidDefinitionError
from procactors.stores import _listing, _membership, _pausing, _reading
from procactors.stores._borrowed import driver_connection, foreign
from procactors.stores._lease import LeaseKeeper
from procactors.stores._transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from procactors._clock import Clock, Instant
    from procactors.model.event import DeferredUpdateFailed, ProcessEvent, StepProgressed
    from procactors.model.info import QueueInfo
    from procactors.model.status import ProcessStatus
    from procactors.options import ManagerOptions
    from procactors.stores._batch import Insert, Operation, Outcome
    from procactors.stores._lease import Renewal
    from procactors.stores._listing import Wanted
    from procactors.stores._record import Record
    from procactors.stores._store import Identity, InHand, Member, News, Relative, StepTransaction
    from procactors.stores._talk import Talk

T = TypeVar("T")


class TalkingStore(ABC):
    """Implements `Store`, except for opening, closing and news of others."""

    _lease: LeaseKeeper | None = None

    def __init__(self, url: str, clock: Clock, options: ManagerOptions) -> None:
        """Take time from `clock`; nothing is opened yet."""
        self.url = url
        self.clock = clock
        self.options = options
        self._transaction = Transaction(options.ageing_s)

    async def _outside(self, work: Awaitable[T]) -> T:
        """Wait for work that is done outside of the loop, for which virtual time waits, too."""
        self.clock.begin_outside()
        try:
            return await work
        finally:
            self.clock.end_outside()

    @abstractmethod
    async def _read(self, talk: Talk[T]) -> T:
        """Carry on a talk that only reads."""

    @abstractmethod
    async def _write(self, talk: Talk[T]) -> T:
        """Carry on a talk in one transaction; cancellation waits until it is done."""

    def now(self) -> Instant:
        """Return the wall time: all who share a database on this machine share its clock."""
        return self.clock.wall()

    async def commit(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Do these operations in one transaction."""
        return await self._write(self._transaction.batch(operations, self.now()))

    async def insert_within(self, transaction: Any, insert: Insert, member: Member) -> Outcome:
        """Store a new process in a transaction of the application's."""
        connection = await driver_connection(transaction)
        return await self._borrow(connection, self._insert_of(member, insert, connection))

    async def begin(self) -> StepTransaction:
        """Refuse: there is one writer, and a step that held its lock would stop all others."""
        raise InvalidDefinitionError(
            "ctx.tx needs a store in PostgreSQL; SQLite has one writer at a time, and everybody would wait"
            " for the step: write by ctx.at_checkpoint"
        )

    def _insert_of(self, member: Member, insert: Insert, connection: Any) -> Talk[Outcome]:
        known = yield from _membership.members()
        if (member.id, member.identity) not in {(one.id, one.identity) for one in known}:
            raise foreign(self.url, connection)
        (outcome,) = yield from self._transaction.batch([insert], self.now())
        return outcome

    @abstractmethod
    async def _borrow(self, connection: Any, talk: Talk[T]) -> T:
        """Carry on a talk in the transaction that is open on a connection of somebody else's."""

    async def record(self, pid: str) -> Record | None:
        """Return one process."""
        return await self._read(_reading.record(pid))

    async def records(self, wanted: Wanted) -> list[Record]:
        """Return processes, the newest first."""
        return await self._read(_listing.listing(wanted))

    async def names(self) -> list[str]:
        """Return the names of all processes."""
        return await self._read(_listing.names_of_all())

    async def history(self, pid: str, after: int, limit: int) -> list[ProcessEvent]:
        """Return the events of one process."""
        return await self._read(_reading.history(pid, after, limit))

    async def events_after(self, position: int, limit: int) -> tuple[list[ProcessEvent], int]:
        """Return the events of all processes beyond `position`, and the last position looked at."""
        return await self._read(_reading.events_after(position, limit))

    async def progress(self) -> list[StepProgressed]:
        """Return the newest progress of all running processes."""
        return await self._read(_reading.progress())

    async def deferred_failures(self, limit: int) -> list[DeferredUpdateFailed]:
        """Return the newest failures of what steps have deferred."""
        return await self._read(_reading.deferred_failures(limit))

    async def positions(self) -> tuple[int, int]:
        """Return the newest position, and the largest that retention has deleted."""
        return await self._read(_reading.positions())

    async def next_moments(self, now: float) -> tuple[float | None, float | None]:
        """Return when a free process may be taken up that may not `now`, and when one expires."""
        return await self._read(_reading.next_moments(now))

    async def next_purge(self, keep_s: float) -> float | None:
        """Return when an ended process has been kept for long enough."""
        return await self._read(_reading.next_purge(keep_s))

    async def news(self, owner: int | None, passes_over: frozenset[str]) -> News:
        """Return what waits for a manager."""
        return await self._read(_reading.news(owner, passes_over, self.now()))

    async def command_outcome(self, command: int) -> str | None:
        """Return how a command was settled."""
        return await self._read(_reading.command_outcome(command))

    async def relatives(self, parent: int, prefix: str) -> list[Relative]:
        """Return children of a process."""
        return await self._read(_reading.relatives(parent, prefix))

    async def bereaved(self, limit: int) -> list[str]:
        """Return those alive whose parent is not."""
        return await self._read(_reading.bereaved(limit))

    async def counts(self) -> dict[ProcessStatus, int]:
        """Return how many processes there are of each status."""
        return await self._read(_reading.counts())

    async def queues(self) -> list[QueueInfo]:
        """Return how the queues stand."""
        return await self._read(_pausing.queues(self.now()))

    async def count_owned(self, name: str | None) -> int:
        """Return how many processes of a name some manager runs."""
        return await self._read(_pausing.count_owned(name))

    async def running(self, limit: int) -> dict[int, InHand]:
        """Return what each owner has in hand."""
        return await self._read(_membership.running(limit))

    async def give_back_space(self) -> None:  # noqa: B027 - only a file has something to do
        """Do nothing: the database sees to it itself."""

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client, and keep its lease, if others can see the store."""
        member = await self._write(_membership.register(identity, self.now(), lease_s))
        renewal = self._renewal(member, lease_s)
        if renewal is not None:
            self._lease = LeaseKeeper(renewal, member, lease_s)
            self._lease.start()
        return member

    async def unregister(self, member: Member) -> None:
        """End the lease, and remove the row."""
        await self._end_lease()
        await self._write(_membership.unregister(member.id))

    def _renewal(self, member: Member, lease_s: float) -> Renewal | None:  # noqa: ARG002 - the subclasses'
        """Return how a lease is renewed from a thread of its own; None: it need not be."""
        return None

    async def _end_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await self._outside(lease.stop())

    def lease_left(self) -> float:
        """Return for how many seconds the lease lasts: for ever, if nobody has to renew it."""
        return math.inf if self._lease is None else self._lease.left()

    def unreadable(self) -> Mapping[str, str]:
        """Return the pids that the last sweeps of each kind have passed over, and why."""
        return {pid: why for bad in self._transaction.unreadable.values() for pid, why in bad.items()}

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too."""
        return await self._read(_membership.members())
