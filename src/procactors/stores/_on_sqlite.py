"""What every store on SQLite has in common: each method is one plain function on a connection.

The subclasses say where such a function runs: in a thread of its own on a file, or in the event loop
on a database in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from procactors.errors import InvalidStoreError
from procactors.stores import _membership, _reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from procactors._clock import Clock, Instant
    from procactors.model.event import ProcessEvent, StepProgressed
    from procactors.model.status import ProcessStatus
    from procactors.options import ManagerOptions
    from procactors.stores._batch import Operation, Outcome, Record
    from procactors.stores._store import Identity, Member, News
    from procactors.stores._transaction import Transaction

T = TypeVar("T")


class OnSqlite(ABC):
    """Implements `Store` but for opening, closing and news of others."""

    def __init__(self, url: str, clock: Clock, options: ManagerOptions) -> None:
        """Take time from `clock`; nothing is opened yet."""
        self.url = url
        self.clock = clock
        self.options = options
        self._transaction: Transaction | None = None

    @abstractmethod
    async def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with a connection for reading."""

    @abstractmethod
    async def _write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with the connection for writing; cancellation waits until it is done."""

    def now(self) -> Instant:
        """Return the wall time: all who share a SQLite file share the machine's clock."""
        return self.clock.wall()

    async def commit(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Do these operations in one transaction."""
        if self._transaction is None:
            raise InvalidStoreError(f"{self.url} is not open")
        run, now = self._transaction.run, self.now()
        return await self._write(lambda _: run(operations, now))

    async def record(self, pid: str) -> Record | None:
        """Return one process."""
        found = await self._read(partial(_reading.read_records, where="records_by_pid", values=(pid,)))
        return found[0] if found else None

    async def records(
        self, statuses: Sequence[ProcessStatus] | None, name: str | None, limit: int, after: str | None
    ) -> list[Record]:
        """Return processes, the newest first."""
        values = _reading.listing(statuses, name, limit, after)
        return await self._read(partial(_reading.read_records, where="records_listed", values=values))

    async def history(self, pid: str, after: int, limit: int) -> list[ProcessEvent]:
        """Return the events of one process."""
        return await self._read(partial(_reading.read_history, pid=pid, after=after, limit=limit))

    async def events_after(self, position: int, limit: int) -> tuple[list[ProcessEvent], int]:
        """Return the events of all processes beyond `position`, and the last position looked at."""
        return await self._read(partial(_reading.read_events, position=position, limit=limit))

    async def progress(self) -> list[StepProgressed]:
        """Return the newest progress of all running processes."""
        return await self._read(_reading.read_progress)

    async def positions(self) -> tuple[int, int]:
        """Return the newest position, and the largest that retention has deleted."""
        return await self._read(_reading.read_positions)

    async def next_moments(self, now: float) -> tuple[float | None, float | None, float | None]:
        """Return when a free process becomes due after `now`, when one expires, when the oldest ended."""
        return await self._read(partial(_reading.read_next_moments, now=now))

    async def news(self, owner: int | None, passes_over: frozenset[str]) -> News:
        """Return what waits for a manager."""
        now = self.now()
        return await self._read(partial(_reading.read_news, owner=owner, passes_over=passes_over, now=now))

    async def command_outcome(self, command: int) -> str | None:
        """Return how a command was settled."""
        return await self._read(partial(_reading.read_outcome, command=command))

    async def counts(self) -> dict[ProcessStatus, int]:
        """Return how many processes there are of each status."""
        return await self._read(_reading.read_counts)

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client."""
        now = self.now()
        return await self._write(lambda c: _membership.register(c, identity, now, lease_s))

    async def unregister(self, member: Member) -> None:
        """Remove a manager or client."""
        await self._write(lambda c: _membership.unregister(c, member.id))

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too."""
        return await self._read(_membership.members)
