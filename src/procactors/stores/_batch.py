"""What one transaction does: a list of operations, each with an outcome of its own.

An operation that is refused (stale epoch, key taken, not allowed by the state) writes nothing and
spares the others of its batch. Decisions that depend on what is in the store are plain functions that
the store calls inside the transaction: read, decide, write, with nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from procactors.model.definition import Process
from procactors.model.event import ProcessEvent
from procactors.model.state import ProcessState
from procactors.stores._record import Decide, Decision, Record
from procactors.stores._selections import Selection
from procactors.stores._turns import BeginTurn, EndTurn


class Command(msgspec.Struct, frozen=True):
    """What somebody else wants of a process."""

    id: int
    process: int
    kind: str
    body: bytes
    pid: str = ""
    owner: int | None = None


class Written(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an operation that wrote events.

    Attributes:
        process: The store's number of the process.
        name: The name of its definition.
        epoch: The epoch that its next write has to name.
        position: Position of the first event; the others follow without a gap.
        lets_start: Whether a process that was queued behind an end in this transaction may start now.
        replaced: What was written of the process that had to give up its key, if it was cancelled for it.
        brought: What was written of the new processes that an `Append` brought along.
    """

    process: int
    pid: str
    name: str
    epoch: int
    events: tuple[ProcessEvent, ...]
    state: ProcessState
    position: int
    lets_start: bool = False
    replaced: Written | None = None
    brought: tuple[Written, ...] = ()


class Insert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Store a new process. Outcome: `Written`, `KeyTaken`, or None: it would run, and its queue is paused.

    Attributes:
        owner: The manager that runs it from the start; None: it is queued. Never if its plan has limits.
        group: What `max_per_group` counts.
        identity: What a child is found by, instead of the key.
        replaces: A pid that has to give up the key for this one; this one then starts behind its end.
        cancel: How that one is cancelled, if it is alive and nobody owns it.
    """

    pid: str
    decision: Decision
    plan: Process
    owner: int | None = None
    key: str | None = None
    key_scope: str = "kept"
    tags: tuple[str, ...] = ()
    priority: int = 0
    group: str | None = None
    parent: int | None = None
    depth: int = 0
    identity: str | None = None
    replaces: bool = False
    cancel: Decide | None = None

    @property
    def unique(self) -> str | None:
        """What no other process of the store may hold; None: nothing."""
        return self.key if self.identity is None else self.identity


class KeyTaken(msgspec.Struct, frozen=True):
    """The key is held by another process."""

    pid: str


Guest = Callable[[Any], Any]
"""A function of the user's that writes within a transaction of the store; called with its connection."""


class Beside(msgspec.Struct, frozen=True):
    """What is written if and only if a checkpoint is, in its transaction.

    Attributes:
        brings: New processes, without a key.
        guests: Functions of the user's.
        within: The step's own transaction, if it has one: the checkpoint is written in that.
    """

    brings: tuple[Insert, ...] = ()
    guests: tuple[Guest, ...] = ()
    within: Any = None


NOTHING = Beside()


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The owner's own write. Outcome: `Written`, `Stale`, `CommandsWaiting`, or `GuestFailed`.

    Attributes:
        name: The name of the process's definition.
        epoch: The epoch under which it was made.
        owner: Who owns the process after it; None: it is free or ended.
        call: What the next step needs (`Step.needs`), if the process is free after it.
        commands: Commands that it has taken into account, which it deletes.
        brings: New processes, without a key, to be stored if and only if this is written.
        guests: Functions of the user's that write with it, called with the store's connection.
        within: What `Store.begin` returned: this is written in that transaction, and ends it.
    """

    process: int
    pid: str
    name: str
    epoch: int
    decision: Decision
    priority: int = 0
    owner: int | None
    call: str | None
    commands: tuple[int, ...] = ()
    brings: tuple[Insert, ...] = ()
    guests: tuple[Guest, ...] = ()
    within: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but events and a snapshot, in the store's own transaction."""
        return not (self.commands or self.brings or self.guests or self.within)


class GuestFailed(msgspec.Struct, frozen=True):
    """What the user writes with it could not be; nothing was written, neither that nor of the decision."""

    error: BaseException


class Stale(msgspec.Struct, frozen=True):
    """Another manager owns the process now; nothing was written."""

    pid: str
    epoch: int | None


class CommandsWaiting(msgspec.Struct, frozen=True):
    """Somebody wants something of this process first; nothing was written: decide again."""

    commands: tuple[Command, ...]


class Change(msgspec.Struct, frozen=True):
    """Decide on a free process, whoever does it. Outcome: `Written`, `Owned`, `Unchanged`, or the error.

    Attributes:
        decide: Raises to refuse.
        if_owned: Command kind and body to leave for the owner if there is one; None: leave none.
        take_as: Become its owner in the same transaction, if the new state is `running`.
    """

    pid: str
    decide: Decide
    if_owned: tuple[str, bytes] | None = None
    take_as: int | None = None


class Owned(msgspec.Struct, frozen=True):
    """The process has an owner; the command (if any) is left for it under this number."""

    record: Record
    command: int | None


class Unchanged(msgspec.Struct, frozen=True):
    """The decision was to leave it."""

    record: Record


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """Decide on all processes of a selection. Outcome: list of `Swept`, those decided on only.

    Attributes:
        limit: How many at most.
        take_as: Become the owner of those whose new state is `running`.
    """

    selection: Selection
    limit: int
    decide: Decide
    take_as: int | None = None


class Swept(msgspec.Struct, frozen=True, gc=False):
    """A process that a sweep decided on: as it was, and what was written."""

    record: Record
    written: Written


class SaveProgress(msgspec.Struct, frozen=True):
    """Keep a process's newest progress while its last event is number `seq`. Outcome: whether it is."""

    process: int
    epoch: int
    seq: int
    progress: bytes


class Leave(msgspec.Struct, frozen=True):
    """Leave a command with whoever can obey it. Outcome: its number, or None: no such process."""

    pid: str
    kind: str
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """Settle a command whose sender waits: "" is yes, else the reason why not. Outcome: None."""

    command: int
    outcome: str


class Forget(msgspec.Struct, frozen=True):
    """Delete commands. Outcome: None."""

    commands: tuple[int, ...]


class Purge(msgspec.Struct, frozen=True):
    """Delete up to `limit` processes that ended before a moment. Outcome: how many were deleted.

    One whose definition says for how long to keep it is deleted after that time. Children go after their
    parent, whenever they ended; and it stays as long as one of them is alive. With the last of a name goes
    what is known of its queue, unless that is paused, or its rate still counts.
    """

    ended_before: float
    limit: int


class Pause(msgspec.Struct, frozen=True):
    """Let no process of a name (None: no process but children) be taken up. Outcome: None."""

    name: str | None


class Resume(msgspec.Struct, frozen=True):
    """End a pause. Outcome: list of `Swept`, those whose deadline has moved.

    Attributes:
        extend: Decides on a process whose time has stood still: `(record, now, seconds)`.
    """

    name: str | None
    extend: Callable[[Record, float, float], Decision]


class Place(msgspec.Struct, frozen=True):
    """Ask for the place back that a waiting process had among those that its limits let run, or give it up.

    Outcome: whether that is so now. If not, nothing that is queued gets a place before it: ask again.
    """

    process: int
    wants: bool


Operation = (
    Insert | Append | Change | Sweep | SaveProgress | Leave | Answer | Forget | Purge | Pause | Resume | Place
    | BeginTurn | EndTurn
)  # fmt: skip

Outcome = Any
"""The result of an operation, as its docstring says; an exception where it was refused."""
