"""What `subscribe` gives: an async iterator of events, history first, then live.

A plain object with `__anext__` and `aclose`, not an async generator: nothing is held open across a yield.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from procactors.engine.follower import Follower
from procactors.engine.messages import Follow, Unfollow
from procactors.engine.reading import read, record_of
from procactors.errors import HistoryGoneError
from procactors.model.event import ENDINGS, StepProgressed
from procactors.model.event_body import decode_body

if TYPE_CHECKING:
    from types import TracebackType

    from procactors.engine.room import Room
    from procactors.model.event import ProcessEvent
    from procactors.stores._record import Record

_PAGE = 500
_NUMBER_MAX = 2**63 - 1  # of events; what stores can keep


class EventStream:
    """The events of one process, or of all: `async with manager.subscribe(pid) as events: async for ...`."""

    def __init__(self, room: Room, pid: str | None, after: int | None) -> None:
        """Follow `pid` after the seq `after`, or all processes (None) after the position `after`.

        Raises:
            ValueError: `after` is not a number that an event could have.
        """
        if after is not None and (not isinstance(after, int) or not 0 <= after <= _NUMBER_MAX):
            problem = f"after must be the number of an event, not {after!r}"
            raise ValueError(problem)
        self._room = room
        self._pid = pid
        self._last = after or 0
        self._has_start = after is not None
        self._follower = Follower(pid)
        self._page: deque[ProcessEvent] = deque()
        self._record: Record | None = None
        """The process as it was before its history was read."""
        self._reads_store = True
        self._has_ended = False
        """Whether the last event was the end of the process: it may have been retried since."""
        self._is_closed = False

    async def __aenter__(self) -> Self:
        """Begin to follow.

        Raises:
            UnknownProcessError: There is no such process.
            HistoryGoneError: Retention has deleted events after the position asked for.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe.
        """
        try:
            await self._room.streams.ask(Follow(self._follower), timeout=None)
            if self._pid is not None:
                self._record = await record_of(self._room, self._pid)
            else:
                await self._find_start()
        except BaseException:
            self._unfollow()
            raise
        return self

    async def _find_start(self) -> None:
        newest, gone = await read(self._room, self._room.store.positions)
        if not self._has_start:
            self._last = newest
            self._reads_store = False
        elif gone > self._last:
            raise HistoryGoneError(
                f"events up to position {gone} are gone, and after={self._last} was asked for: subscribe with"
                f" after={gone} or later"
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop following."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop following; a second call does nothing. Cancellation: safe, never waits."""
        if not self._is_closed:
            self._unfollow()

    def _unfollow(self) -> None:
        self._is_closed = True
        self._room.streams.tell(Unfollow(self._follower))

    @property
    def last(self) -> int:
        """Where it stands: `subscribe(..., after=last)` goes on from here."""
        return self._last

    def __aiter__(self) -> Self:
        """Iterate over the events."""
        return self

    async def __anext__(self) -> ProcessEvent:
        """Return the next event, in order. Ends after the end of the process, or when the manager closes.

        Raises:
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds. The
                stream goes on where it was when it is asked again.

        Cancellation: safe; no event is lost.
        """
        while not self._is_closed:
            event = await self._next()
            if event is None:
                continue
            if isinstance(event, StepProgressed):
                return event
            self._last = self._number(event)
            self._has_ended = self._pid is not None and isinstance(event, ENDINGS)
            return event
        raise StopAsyncIteration

    async def _next(self) -> ProcessEvent | None:
        if self._reads_store:
            return await self._stored()
        if self._has_ended and not self._follower.has_news:
            await self.aclose()
            return None
        return await self._live()

    def _number(self, event: ProcessEvent) -> int:
        return event.position if self._pid is None else event.seq

    async def _stored(self) -> ProcessEvent | None:
        """Return the next event from the store; at its end, go over to live events."""
        if not self._page:
            if self._follower.is_behind:
                self._follower.is_behind, self._record = False, None  # what it has missed is to be read, too
            pid = self._pid
            self._page.extend(await (self._next_of_all() if pid is None else self._next_of_one(pid)))
        if self._page:
            return self._page.popleft()
        self._reads_store = False
        return None if self._pid is None else self._at_the_end_of_history(self._pid)

    async def _next_of_one(self, pid: str) -> list[ProcessEvent]:
        """Return a page of history, unless there was no more when it was looked at; the rest comes live."""
        if self._record is None:
            self._record = await read(self._room, self._room.store.record, pid)
        if self._record is None or self._record.state.seq <= self._last:
            return []
        return await read(self._room, self._room.store.history, pid, self._last, _PAGE)

    async def _next_of_all(self) -> list[ProcessEvent]:
        while True:
            events, last = await read(self._room, self._room.store.events_after, self._last, _PAGE)
            if events or last == self._last:
                return events
            self._last = last  # there were only events that this version does not know

    def _at_the_end_of_history(self, pid: str) -> ProcessEvent | None:
        """Return what the running step had said of its progress, if it had: the first of the live events."""
        record, self._record = self._record, None
        if record is None or (record.state.status.is_ended and record.state.seq <= self._last):
            self._has_ended = True
        elif record.progress is not None and record.state.seq == self._last:
            return decode_body(record.progress, pid, self._last, 0)
        return None

    async def _live(self) -> ProcessEvent | None:
        """Return the next live event if it follows; what comes again is passed over, a gap is read."""
        await self._follower.wait()
        if self._follower.is_behind:
            self._reads_store = True
            return None
        event = self._follower.take()
        if event is None:
            self._is_closed = self._follower.is_closed
            return None
        if isinstance(event, StepProgressed):
            return event if self._pid is None or event.seq >= self._last else None
        number = self._number(event)
        if number <= self._last:
            self._reads_store = self._pid is not None and isinstance(event, ENDINGS)  # none may follow
            return None
        if self._pid is not None and number != self._last + 1:
            self._reads_store = True
            return None
        return event
