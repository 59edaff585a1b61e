"""Where state lives: the protocol that every store keeps, one guarantee a method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from procactors.model.standing import RunningProcess
from procactors.model.status import ProcessStatus
from procactors.stores._batch import Command, Insert, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from procactors._clock import Instant
    from procactors.model.event import DeferredUpdateFailed, ProcessEvent, StepProgressed
    from procactors.model.info import QueueInfo
    from procactors.stores._listing import Wanted
    from procactors.stores._record import Record


class Identity(msgspec.Struct, frozen=True):
    """Who a manager or client is, so that others can tell whether it is alive.

    Attributes:
        name: For people.
        kind: "manager" runs processes, "client" does not.
        host: Host name.
        boot_id: Identifies the running kernel.
        pid_namespace: Identifies the space in which `os_pid` is unique.
        os_pid: Number of the OS process.
        os_started: When that OS process started, as its kernel counts.
    """

    name: str
    kind: str
    host: str = ""
    boot_id: str = ""
    pid_namespace: str = ""
    os_pid: int = 0
    os_started: str = ""


class Member(msgspec.Struct, frozen=True):
    """A registered manager or client."""

    id: int
    identity: Identity
    registered_at: float
    lease_until: float


class InHand(msgspec.Struct, frozen=True):
    """What a manager runs: how many processes, and some of them."""

    count: int
    processes: tuple[RunningProcess, ...]


class News(msgspec.Struct, frozen=True):
    """What waits for a manager.

    Attributes:
        commands: What is wanted of its own processes, and of free ones.
        is_due: Whether a free process may be taken up.
        is_bereaved: Whether `bereaved` has any.
    """

    commands: tuple[Command, ...]
    is_due: bool
    is_bereaved: bool = False


class Relative(msgspec.Struct, frozen=True):
    """A child, as its parent finds it again.

    Attributes:
        identity: Unique in the store: its parent, the step that has started it, and its key or name.
        status: How it stands.
    """

    identity: str
    pid: str
    status: ProcessStatus


class StepTransaction(Protocol):
    """A transaction of a step's own, on a connection of its own.

    An `Append` that is committed `within` it ends it; until then it can be dropped.
    """

    connection: Any

    def nested(self) -> AbstractAsyncContextManager[Any]:
        """Return what undoes a part of it that raises."""
        ...

    def drop(self) -> None:
        """Disconnect, at once; what was not committed is undone."""
        ...


class Store(Protocol):
    """Keeps processes, events, commands and managers. All methods are for one event loop.

    Errors are StoreUnavailableError (try again later) and InvalidStoreError (it will not get better);
    a cancelled call leaves no transaction open.
    """

    url: str

    async def open(self) -> None:
        """Connect, and bring the schema to the newest version. Raises SchemaTooNewError, untouched."""
        ...

    async def close(self) -> None:
        """Disconnect; nothing of the store runs afterwards. Closing twice is fine."""
        ...

    def now(self) -> Instant:
        """Return the store's time, by which everything in it is judged. Never blocks."""
        ...

    async def commit(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Do these operations in one transaction, in order; all that were not refused are durable then.

        StoreUnavailableError means that nothing was written, and that the same batch may be tried again: a
        store whose answer was lost on the way finds out what became of the transaction before it raises.
        """
        ...

    async def insert_within(self, transaction: Any, insert: Insert, member: Member) -> Outcome:
        """Store a new process in a transaction of the application's: its commit stores it, nothing else does.

        Raises InvalidStoreError if the transaction is not in this store's database, where `member` is known;
        the transaction is as it was after any error.
        """
        ...

    async def begin(self) -> StepTransaction:
        """Begin a transaction for what a step writes itself. InvalidDefinitionError: there can't be any."""
        ...

    async def record(self, pid: str) -> Record | None:
        """Return one process as of the last commit."""
        ...

    async def records(self, wanted: Wanted) -> list[Record]:
        """Return processes, the newest first, as an index gives them: however many there are."""
        ...

    async def names(self) -> list[str]:
        """Return the names of the definitions that have processes, sorted."""
        ...

    async def history(self, pid: str, after: int, limit: int) -> list[ProcessEvent]:
        """Return the events of one process with a seq above `after`, in order."""
        ...

    async def events_after(self, position: int, limit: int) -> tuple[list[ProcessEvent], int]:
        """Return the events of all processes beyond `position`, and the last position looked at."""
        ...

    async def progress(self) -> list[StepProgressed]:
        """Return the newest progress of all running processes."""
        ...

    async def deferred_failures(self, limit: int) -> list[DeferredUpdateFailed]:
        """Return the newest failures of what steps have deferred, the newest first."""
        ...

    async def positions(self) -> tuple[int, int]:
        """Return the newest position, and the largest that retention has deleted."""
        ...

    async def next_moments(self, now: float) -> tuple[float | None, float | None]:
        """Return when a free process may be taken up that may not `now`, and when one expires."""
        ...

    async def next_purge(self, keep_s: float) -> float | None:
        """Return when an ended process has been kept long enough: its definition's time, or `keep_s`."""
        ...

    async def news(self, owner: int | None, passes_over: frozenset[str]) -> News:
        """Return what waits for the manager `owner`, which can't run the steps in `passes_over`."""
        ...

    async def command_outcome(self, command: int) -> str | None:
        """Return how a command was settled; None: not yet."""
        ...

    async def relatives(self, parent: int, prefix: str) -> list[Relative]:
        """Return the children of process number `parent` whose identity begins with `prefix`."""
        ...

    async def bereaved(self, limit: int) -> list[str]:
        """Return the pids of processes that are alive, and whose parent is not; without a cancel waiting."""
        ...

    async def counts(self) -> dict[ProcessStatus, int]:
        """Return how many processes there are of each status."""
        ...

    async def queues(self) -> list[QueueInfo]:
        """Return how the queues stand, the first one being all of them together."""
        ...

    async def count_owned(self, name: str | None) -> int:
        """Return how many processes of a name (None: of all) some manager runs."""
        ...

    async def running(self, limit: int) -> dict[int, InHand]:
        """Return what each owner has in hand, by its number, and of each the `limit` oldest processes."""
        ...

    async def give_back_space(self) -> None:
        """Let the file become smaller by what was deleted, in small portions, if it is all ours."""
        ...

    async def register(self, identity: Identity, lease_s: float) -> Member:
        """Add a manager or client, and keep its lease from a thread of its own until `unregister`."""
        ...

    async def unregister(self, member: Member) -> None:
        """End the lease, and remove the row."""
        ...

    def lease_left(self) -> float:
        """Return for how many seconds the lease lasts; below 0: it has run out, as far as is known here.

        It was renewed that long ago at the latest: so long ago the store has answered. Never blocks.
        """
        ...

    def unreadable(self) -> Mapping[str, str]:
        """Return the pids that the last sweeps of each kind have passed over, and why. Never blocks."""
        ...

    async def members(self) -> list[Member]:
        """Return all managers and clients, dead ones too."""
        ...

    async def changed(self) -> None:
        """Return when others may have changed the store since the last call."""
        ...
