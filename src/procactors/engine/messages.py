"""Every message between the engine's actors, in the order of a process's life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from procactors.actors import ActorRef, Message, Request

if TYPE_CHECKING:
    from collections.abc import Hashable

    from procactors.engine.follower import Follower
    from procactors.model.event import StepProgressed
    from procactors.stores._batch import Command, Insert, Operation, SaveProgress, Written

# To the supervisor.


class Start(Request[Any], frozen=True, gc=False):
    """Store a process and run it, if a slot is free. Reply: `Written`, `KeyTaken`, or None: no slot."""

    insert: Insert


class Queued(Message, frozen=True):
    """A process waits in the store for a slot: no later one may overtake it."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "signals"


class LookAgain(Message, frozen=True):
    """Something may have become due, or a slot may be free: see whether to claim, once nothing else waits."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "later"


class Errand(Message, frozen=True):
    """It is time for the errand of this name."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "later"
    name: str

    def coalesce_key(self) -> Hashable:
        """One per errand."""
        return self.name


class StoreChanged(Message, frozen=True):
    """Another OS process has changed the store."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "signals"


class GiveSlot(Message, frozen=True):
    """This process waits for its children, and needs no slot meanwhile."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "signals"
    pid: str

    def coalesce_key(self) -> Hashable:
        """One per process."""
        return self.pid


class TakeSlot(Request[None], frozen=True):
    """This process goes on. The reply comes when it has a slot again, before anything that is queued."""

    pid: str


class KeepSlot(Message, frozen=True):
    """This process has stopped waiting without having asked for a slot: it has one all the same."""

    is_hint: ClassVar[bool] = True
    pid: str


class Deliver(Message, frozen=True):
    """Commands for processes that this manager may own."""

    commands: tuple[Command, ...]


class Drain(Request[None], frozen=True):
    """Claim nothing more, let running steps end or cancel them after `grace_s`, release their processes."""

    lane: ClassVar[str] = "control"
    grace_s: float


# To a process actor.

PROCESS = "process"
STEP = "step"
HEARTBEAT = "heartbeat"


class Begin(Message, frozen=True):
    """Do what comes first."""

    is_hint: ClassVar[bool] = True


class CommandsArrived(Message, frozen=True):
    """Somebody wants something of this process."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "control"
    commands: tuple[Command, ...]


class TimeUp(Message, frozen=True):
    """A deadline has passed: of the process, or of the attempt that began with event number `seq`."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "signals"  # a long step may be asked for its heartbeat any number of times
    kind: str
    seq: int = 0

    def coalesce_key(self) -> Hashable:
        """One per deadline."""
        return self.kind, self.seq


class Release(Message, frozen=True):
    """Give the process back: after the step that runs, or (`now`) by cancelling it."""

    is_hint: ClassVar[bool] = True
    lane: ClassVar[str] = "control"
    now: bool = False


# To the watchdog.


class Watch(Message, frozen=True):
    """Tell `actor` that its time is up at `deadline` (monotonic). Replaces what was set under the key."""

    is_hint: ClassVar[bool] = True
    key: tuple[str, str]
    deadline: float
    actor: ActorRef[Any]
    message: TimeUp


class Unwatch(Message, frozen=True):
    """Forget a deadline."""

    is_hint: ClassVar[bool] = True
    key: tuple[str, str]


# To the persistence actor.


class Write(Request[Any], frozen=True, gc=False):
    """Do one operation in the next transaction. Reply: its outcome.

    Attributes:
        deadline: When (monotonic) to give up if the store can't be used; None: never, it is the engine's own.
    """

    operation: Operation
    deadline: float | None = None


class WriteProgress(Message, frozen=True):
    """Keep a process's newest progress."""

    lane: ClassVar[str] = "progress"
    pid: str
    operation: SaveProgress
    event: StepProgressed

    def coalesce_key(self) -> Hashable:
        """One per process."""
        return self.pid


# To the streams.


class Committed(Message, frozen=True):
    """These events are in the store now."""

    is_hint: ClassVar[bool] = True
    written: tuple[Written, ...]
    progress: tuple[StepProgressed, ...] = ()


class Follow(Request["Followed"], frozen=True):
    """Hand events to this follower from now on."""

    follower: Follower


class Followed(Message, frozen=True):
    """From now on the follower misses nothing.

    Attributes:
        is_alive: Whether the process is known to be alive, so that its end is still to come.
    """

    is_alive: bool


class Unfollow(Message, frozen=True):
    """Hand it nothing more."""

    is_hint: ClassVar[bool] = True
    follower: Follower
