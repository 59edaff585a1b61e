"""The mailbox: bounded lanes in strict order, one consumer.

Stage first, arrival second: nothing is taken from a lane while an earlier one holds anything, so a
control message overtakes everything, and PRESEND work overtakes POSTSEND work. Every lane has a
capacity and says what happens when it is full.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors._wakeup import Wakeup, new_wakeup, wake
from procactors.actors._envelope import Envelope
from procactors.actors._message import Message
from procactors.errors import MailboxFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Overflow(Enum):
    """What a full lane does with one more message."""

    WAIT = "wait"
    """An ask waits for room; a tell, which may not wait, is refused."""
    FAIL = "fail"
    """Both are refused."""
    COALESCE = "coalesce"
    """The newest of a key replaces the one before it: never full beyond its number of keys."""


class Lane(msgspec.Struct, frozen=True):
    """One lane of a mailbox: its name, how many messages it holds, and what it does when full."""

    name: str
    capacity: int = 1024
    overflow: Overflow = Overflow.WAIT


class LaneStatistics(msgspec.Struct, frozen=True):
    """How one lane stands."""

    name: str
    depth: int
    """Messages waiting now."""
    peak: int
    """The most that ever waited."""
    refused: int
    """How many were turned away because the lane was full."""


_NOTHING: deque[Any] = deque(maxlen=0)
"""Stands for the items of a lane that holds none, as most do: a deque takes 760 bytes, even an empty one."""


@lru_cache(maxsize=128)
def _check(lanes: tuple[Lane, ...]) -> None:
    """Look once at the lanes of a class of actors, of which there may be thousands."""
    names = [lane.name for lane in lanes]
    if not names or len(set(names)) != len(names) or any(lane.capacity < 1 for lane in lanes):
        problem = f"a mailbox needs lanes of different names with capacity >= 1, not {lanes!r}"
        raise ValueError(problem)


class _Queue:
    """A lane at work."""

    __slots__ = ("index", "items", "keyed", "lane", "peak", "refused")

    def __init__(self, lane: Lane, index: int) -> None:
        self.lane = lane
        self.index = index
        self.items = _NOTHING
        # A plain dict finds its first key ever more slowly while it is emptied from the front.
        self.keyed: OrderedDict[Any, Any] | None = (
            OrderedDict() if lane.overflow is Overflow.COALESCE else None
        )
        self.peak = 0
        self.refused = 0

    @property
    def depth(self) -> int:
        return len(self.items) if self.keyed is None else len(self.keyed)

    @property
    def is_full(self) -> bool:
        return self.keyed is None and len(self.items) >= self.lane.capacity

    def take_first(self) -> Any:
        if self.keyed is not None:
            return self.keyed.popitem(last=False)[1]
        item = self.items.popleft()
        if not self.items:
            self.items = _NOTHING
        return item

    def take_all(self) -> list[Any]:
        if self.keyed is None:
            taken = list(self.items)
            self.items = _NOTHING
        else:
            taken = list(self.keyed.values())
            self.keyed.clear()
        return taken

    def discard(self, is_stale: Callable[[Any], bool]) -> None:
        if self.keyed is None:
            self.items = deque(item for item in self.items if not is_stale(item)) if self.items else _NOTHING
        else:
            for key in [key for key, item in self.keyed.items() if is_stale(item)]:
                del self.keyed[key]


class StagedMailbox:
    """Bounded lanes, drained in strict order by one consumer.

    Not for use from several threads. `put` never waits; `room` waits until a put may succeed.
    """

    __slots__ = ("_by_type", "_consumer", "_queues", "_room", "taken_lane")

    def __init__(self, lanes: Sequence[Lane]) -> None:
        """Make a mailbox of these lanes, the most urgent first.

        Raises:
            ValueError: There is no lane, two have one name, or a capacity is below 1.
        """
        _check(tuple(lanes))
        self._queues = tuple(_Queue(lane, index) for index, lane in enumerate(lanes))
        self._by_type: dict[type, _Queue] = {}
        self._consumer: Wakeup | None = None
        self._room: anyio.Event | None = None
        self.taken_lane = 0
        """Index of the lane from which the last item was taken."""

    def put(self, item: Any, message: Message, *, always: bool = False) -> int:
        """Add `item` (the message itself, or its envelope) and return the index of its lane.

        What the runtime itself tells (`always`) finds room even in a full lane.

        Raises:
            MailboxFullError: The lane is full.
            KeyError: The mailbox has no lane of the name that the message's class gives.
        """
        queue = self._by_type.get(type(message)) or self._queue_of(type(message))
        if queue.keyed is not None:
            self._replace(queue, item, message)
        elif len(queue.items) >= queue.lane.capacity and not always:
            queue.refused += 1
            problem = f"lane {queue.lane.name} is full ({queue.lane.capacity}): {type(message).__name__}"
            raise MailboxFullError(problem)
        elif queue.items is _NOTHING:
            queue.items = deque((item,))
        else:
            queue.items.append(item)
        if self._consumer is not None:
            wake(self._consumer)
            self._consumer = None
        return queue.index

    def _queue_of(self, kind: type[Message]) -> _Queue:
        if not issubclass(kind, Message):
            problem = f"actors are sent messages, of a class derived from Message, not {kind.__name__}"
            raise TypeError(problem)
        for queue in self._queues:
            if queue.lane.name == kind.lane:
                self._by_type[kind] = queue
                return queue
        names = ", ".join(queue.lane.name for queue in self._queues)
        problem = f"{kind.__name__} travels in lane {kind.lane!r}, but this mailbox has only: {names}"
        raise KeyError(problem)

    def check_lane(self, kind: type[Message]) -> None:
        """Raise KeyError if there is no lane for messages of class `kind`."""
        self._queue_of(kind)

    def _replace(self, queue: _Queue, item: Any, message: Message) -> None:
        assert queue.keyed is not None
        key = message.coalesce_key()
        before = queue.keyed.get(key)
        queue.keyed[key] = item
        if type(before) is Envelope:
            problem = f"a newer {type(message).__name__} replaced this one"
            before.slot.fail(MailboxFullError(problem))

    def has_room(self, message: Message) -> bool:
        """Tell whether `put` would take `message` now."""
        queue = self._by_type.get(type(message)) or self._queue_of(type(message))
        return not queue.is_full

    async def room(self, message: Message) -> None:
        """Wait until the message's lane has room, or refuse at once if its policy is to fail.

        Raises:
            MailboxFullError: The lane is full and does not let anyone wait.

        Cancellation: safe.
        """
        queue = self._by_type.get(type(message)) or self._queue_of(type(message))
        while queue.is_full:
            if queue.lane.overflow is Overflow.FAIL:
                queue.refused += 1
                problem = f"lane {queue.lane.name} is full ({queue.lane.capacity})"
                raise MailboxFullError(problem)
            if self._room is None:
                self._room = anyio.Event()
            await self._room.wait()

    def take(self) -> Any:
        """Take the next item: the oldest of the most urgent lane that holds any; None if none does."""
        for queue in self._queues:
            held = queue.items if queue.keyed is None else queue.keyed
            if held:
                if len(held) > queue.peak:  # noqa: PLR1730 - it would be a call for each message
                    queue.peak = len(held)
                if self._room is not None:
                    self._make_room()
                self.taken_lane = queue.index
                return queue.take_first()
        return None

    def take_lane(self) -> list[Any]:
        """Take everything from the most urgent lane that holds any; [] if none does."""
        for queue in self._queues:
            if depth := queue.depth:
                queue.peak = max(queue.peak, depth)
                if self._room is not None:
                    self._make_room()
                self.taken_lane = queue.index
                return queue.take_all()
        return []

    def _make_room(self) -> None:
        assert self._room is not None
        self._room.set()
        self._room = None

    async def arrival(self) -> None:
        """Wait until there is something to take, or until `wake`. For the one consumer only.

        Cancellation: safe; nothing is taken.
        """
        if not self:
            self._consumer = new_wakeup()
            await self._consumer

    def wake(self) -> None:
        """Let the consumer look up even though nothing was put."""
        if self._consumer is not None:
            wake(self._consumer)
            self._consumer = None

    def drain(self) -> Iterable[Any]:
        """Take out everything, most urgent first, and let those that wait for room find it."""
        while batch := self.take_lane():
            yield from batch

    def discard(self, is_stale: Callable[[Any], bool]) -> None:
        """Take out the items that are stale, unhandled."""
        for queue in self._queues:
            queue.peak = max(queue.peak, queue.depth)
            queue.discard(is_stale)
        if self._room is not None:
            self._make_room()

    def has_before(self, index: int) -> bool:
        """Tell whether a lane more urgent than lane `index` holds anything."""
        for queue in self._queues:
            if queue.index == index:
                return False
            if queue.items or queue.keyed:
                return True
        return False

    def __len__(self) -> int:
        """Return how many messages wait in all lanes."""
        return sum(queue.depth for queue in self._queues)

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        for queue in self._queues:  # noqa: SIM110 - a generator would take three times as long
            if queue.items or queue.keyed:
                return True
        return False

    def statistics(self) -> tuple[LaneStatistics, ...]:
        """Return how each lane stands, the most urgent first."""
        return tuple(
            LaneStatistics(queue.lane.name, queue.depth, max(queue.peak, queue.depth), queue.refused)
            for queue in self._queues
        )

    def __repr__(self) -> str:
        """Show the lanes and their depths."""
        depths = ", ".join(f"{queue.lane.name}: {queue.depth}" for queue in self._queues)
        return f"<StagedMailbox {depths}>"
