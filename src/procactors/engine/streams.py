"""The streams actor: hands committed events to subscribers, in order, without a gap or a repetition.

It follows the store's global position. What this manager commits comes as a message; what other OS
processes commit is read from the store when a gap in the positions, or a change of the store, tells of it.
An event may be handed over twice (as it was committed, and as it was read); subscribers go by its number. A
subscriber has a bounded buffer; one that falls behind is marked, and reads on from the store by itself.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from procactors.actors import Actor, Exit, Lane, Overflow
from procactors.engine.messages import Committed, Follow, Followed, StoreChanged, Unfollow
from procactors.errors import StoreUnavailableError
from procactors.model.event import ENDINGS, ProcessEvent
from procactors.model.event_body import fresh, numbered
from procactors.model.state import is_owned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from procactors.engine.follower import Follower
    from procactors.engine.room import Room
    from procactors.model.event import StepProgressed
    from procactors.stores._batch import Written

    _Followers = dict[Follower, None]  # a set would hand an event out in another order each time

_PAGE = 1000
_MOST_ALIVE = 100_000
_RETRY_S = 1.0

_log = logging.getLogger("procactors.engine")

_position_of = attrgetter("position")


class StreamsActor(Actor[Any]):
    """Knows who follows what."""

    lanes: ClassVar[Sequence[Lane]] = (
        Lane("signals", overflow=Overflow.COALESCE),
        Lane("work", capacity=100_000, overflow=Overflow.WAIT),
    )

    def __init__(self, room: Room) -> None:
        """Follow the room's store."""
        self._room = room
        self._position = 0
        self._of_all: _Followers = {}
        self._of_one: dict[str, _Followers] = {}
        self._of_end: dict[str, _Followers] = {}
        self._alive: set[str] = set()
        """Processes that this manager runs, unless others have taken them over unseen."""
        self._free: set[str] = set()
        """Processes that any manager may take up and end; forgotten when others have written."""
        self._has_missed = False
        """Whether others have written what nobody here wanted to see."""
        self._progress: dict[str, StepProgressed] = {}

    async def on_start(self) -> None:
        """Begin at the end."""
        self._position = (await self._room.store.positions())[0]

    async def receive(self, message: Any) -> Any:
        """Deliver, follow, or look into the store."""
        match message:
            case Committed(written, progress):
                await self._committed(written)
                for event in progress:
                    self._deliver_progress(event)
            case StoreChanged():
                self._free.clear()
                if self._has_followers:
                    await self._catch_up_now_or_later(with_progress=True)
                else:
                    self._miss()
            case Follow(follower):
                await self._stand_at_the_end()
                return self._follow(follower)
            case Unfollow(follower):
                self._unfollow(follower)
        return None

    async def on_stop(self, _reason: Exit) -> None:
        """Let every subscriber's iteration end."""
        of_some = [*self._of_one.values(), *self._of_end.values()]
        for follower in [*self._of_all, *(f for followers in of_some for f in followers)]:
            follower.close()

    # Who follows.

    async def _stand_at_the_end(self) -> None:
        """Begin at the end again, if there is anything between it and here that nobody wanted."""
        if self._has_missed and not self._has_followers:
            with suppress(StoreUnavailableError):  # to begin further back only takes longer
                self._position = (await self._room.store.positions())[0]
                self._has_missed = False

    @property
    def _has_followers(self) -> bool:
        return bool(self._of_all or self._of_one or self._of_end)

    def _follow(self, follower: Follower) -> Followed:
        """Add a follower."""
        if follower.pid is None:
            self._of_all[follower] = None
        else:
            self._kept(follower).setdefault(follower.pid, {})[follower] = None
        return Followed(is_alive=follower.pid in self._alive or follower.pid in self._free)

    def _unfollow(self, follower: Follower) -> None:
        if follower.pid is None:
            self._of_all.pop(follower, None)
            return
        kept = self._kept(follower)
        if followers := kept.get(follower.pid):
            followers.pop(follower, None)
            if not followers:
                del kept[follower.pid]

    def _kept(self, follower: Follower) -> dict[str, _Followers]:
        """Return where a follower of one process is kept: nearly all of them only wait for its end."""
        return self._of_end if follower.wants_ends_only else self._of_one

    # What happened.

    async def _committed(self, written: Sequence[Written]) -> None:
        written = sorted(written, key=_position_of)  # a batch is not done in the order in which it was asked
        has_gap = min((one.position for one in written), default=0) > self._position + 1
        if has_gap:
            self._free.clear()
        if has_gap and not self._has_followers:
            self._miss()
        for one in written:
            self._note_life(one)
        if not self._has_followers:
            self._position = max([self._position, *(one.position + len(one.events) - 1 for one in written)])
            return
        for one in written:
            if one.position > self._position + 1 and not await self._catch_up_now_or_later():
                return
            self._hand_over(one)
            self._position = max(self._position, one.position + len(one.events) - 1)

    def _hand_over(self, one: Written) -> None:
        first = one.state.seq - len(one.events) + 1
        if self._of_all or one.pid in self._of_one:
            for offset, event in enumerate(one.events):
                self._deliver(one.pid, first + offset, one.position + offset, event)
        elif one.state.ended_at and one.pid in self._of_end:
            last = len(one.events) - 1
            self._deliver(one.pid, first + last, one.position + last, one.events[last])

    def _miss(self) -> None:
        """Pass over what others have written: the ends of processes that were taken over may be in it."""
        self._alive.clear()
        self._has_missed = True

    def _note_life(self, one: Written) -> None:
        """Remember which processes are alive, as far as their end will be seen here.

        What others have written since may have been heard of, and passed, before this: then it is not known.
        """
        self._alive.discard(one.pid)
        self._free.discard(one.pid)
        if one.state.ended_at:
            self._progress.pop(one.pid, None)
            return
        if self._has_missed or one.position + len(one.events) <= self._position:
            return
        known = self._alive if is_owned(one.state) else self._free
        if len(known) >= _MOST_ALIVE:
            known.clear()
        known.add(one.pid)

    async def _catch_up_now_or_later(self, *, with_progress: bool = False) -> bool:
        """Read what others have written. False: the store can't be used now, and is looked into again."""
        try:
            await self._catch_up()
            if with_progress:
                await self._look_for_progress()
        except StoreUnavailableError as error:
            _log.warning("what others have written can't be read now, it is tried again: %s", error)
            self.set_timer("again", _RETRY_S, StoreChanged())
            return False
        return True

    async def _catch_up(self) -> None:
        """Read what is in the store beyond the position."""
        while True:
            events, last = await self._room.store.events_after(self._position, _PAGE)
            for event in events:
                self._deliver(event.pid, event.seq, event.position, event)
            if last == self._position:
                self._has_missed = False
                return
            self._position = last

    async def _look_for_progress(self) -> None:
        events = await self._room.store.progress()
        before, self._progress = self._progress, {event.pid: event for event in events}
        for event in events:
            if before.get(event.pid) != event:
                self._deliver_progress(event)

    def _deliver(self, pid: str, seq: int, position: int, event: ProcessEvent) -> None:
        of_end: Iterable[Follower] = ()
        if isinstance(event, ENDINGS):
            self._alive.discard(pid)
            self._free.discard(pid)
            of_end = self._of_end.get(pid, ())
        followers = [*self._of_all, *self._of_one.get(pid, ()), *of_end]
        if followers:
            event = numbered(event, pid, seq, position)
            for follower in followers:
                follower.offer(fresh(event))

    def _deliver_progress(self, event: StepProgressed) -> None:
        self._progress[event.pid] = event
        for follower in [*self._of_all, *self._of_one.get(event.pid, ())]:
            follower.offer(event)
