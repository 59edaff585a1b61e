"""The persistence actor: drains its mailbox, writes all of it in one transaction, answers everyone.

Group commit without a timer: an idle system commits at once, a busy one in large batches, because what
arrives during one transaction waits for the next. A store that can't be used for a while is tried again,
with backoff, while the engine's own writes wait; a user's write gives up at its deadline. A write that the
store refuses for good is told from the others, which go on: a user's gets the error, the engine's own is
tried again by itself, as the output of a step may be in it. Nothing is acknowledged before it is committed.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import structs

from procactors.actors import Actor, Backoff, Exit, Lane, Message, Overflow, ReplySlot
from procactors.engine.messages import Committed, Write, WriteProgress
from procactors.engine.troubles import named
from procactors.errors import InvalidStoreError, StoreUnavailableError
from procactors.model.event_body import numbered
from procactors.model.state import is_owned
from procactors.stores._batch import Append, GuestFailed, Swept, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from procactors.engine.room import Room
    from procactors.model.event import ProcessEvent

_log = logging.getLogger("procactors.engine")

_MOST_OPERATIONS = 1000
"""How many operations one transaction takes."""
_MOST_REFUSALS = 10
"""After so many refusals of what was refused before, the rest of it waits for its next turn."""


class TryAgain(Message, frozen=True):
    """The store may be usable again, or somebody's patience is over."""

    lane: ClassVar[str] = "again"


class PersistenceActor(Actor[Write | WriteProgress | TryAgain]):
    """The one writer of a manager."""

    lanes: ClassVar[Sequence[Lane]] = (
        Lane("again", overflow=Overflow.COALESCE),
        Lane("progress", overflow=Overflow.COALESCE),
        Lane("work", capacity=20_000, overflow=Overflow.WAIT),
    )

    def __init__(self, room: Room) -> None:
        """Write to the room's store."""
        self._room = room
        self._backoff = Backoff(first_s=0.02, most_s=1.0)
        self._jobs: list[_Job] = []
        """What is still to be written, in order."""
        self._trouble: StoreUnavailableError | None = None
        """Why the store can't be used; None: it can."""
        self._failures = 0
        self._again_at = 0.0
        self._refused: deque[_Job] = deque()
        """The engine's own that the store refuses by themselves."""

    async def receive_many(self, messages: list[Any]) -> None:
        """Commit a batch, and answer its senders; while the store can't be used, let them wait together."""
        is_again = type(messages[0]) is TryAgain  # a batch is of one lane
        if not is_again:
            self._jobs += zip(messages, self.take_replies(), strict=True)
        if is_again or self._trouble is None:
            await self._write_all(also_refused=is_again)
        self._wait()

    async def on_stop(self, _reason: Exit) -> None:
        """Tell those who still wait for the store that this manager waits no longer."""
        left = [*self._jobs, *self._refused]
        _answer(left, [self._trouble or InvalidStoreError("the store refused to write this")] * len(left))
        self._room.troubles.forget()

    async def _write_all(self, *, also_refused: bool) -> None:
        try:
            while self._jobs:
                await self._write_first(min(len(self._jobs), _MOST_OPERATIONS))
            if also_refused:
                await self._try_refused()
        except StoreUnavailableError as error:
            self._put_off(error)
        else:
            self._trouble = None
            if not self._refused:
                self._failures = 0

    async def _write_first(self, count: int) -> None:
        """Write the first `count` operations in one transaction."""
        jobs = self._jobs[:count]
        started = self._room.clock.monotonic()
        try:
            outcomes = await self._room.store.commit([message.operation for message, _ in jobs])
        except Exception as error:
            if isinstance(error, StoreUnavailableError) and not isinstance(error, InvalidStoreError):
                raise
            await self._find_broken(jobs, error)
        else:
            self._room.troubles.written(message.operation for message, _ in jobs)
            del self._jobs[:count]
            seconds = self._room.clock.monotonic() - started
            _answer(jobs, outcomes)  # first: the next step runs while the streams hear of this one
            self._publish(jobs, outcomes, seconds)

    async def _find_broken(self, jobs: list[_Job], error: Exception) -> None:
        """Write one by one what can't be written together, so that only the broken one gets the error."""
        if len(jobs) > 1:
            for _ in jobs:
                await self._write_first(1)
            return
        del self._jobs[0]
        if isinstance(error, InvalidStoreError):
            self._refuse(jobs[0], error)
        elif type(operation := jobs[0][0].operation) is Append and operation.guests:
            _answer(jobs, [GuestFailed(error)])  # it is they who have broken it
        else:
            _log.error("a transaction failed in a way that another try can't fix", exc_info=error)
            _answer(jobs, [error])

    # What the store refuses.

    def _refuse(self, job: _Job, error: InvalidStoreError) -> None:
        """Answer a user; keep what the engine itself wants written, to be tried again by itself."""
        operation = job[0].operation
        is_own = type(job[0]) is Write and job[0].deadline is None
        if self._room.troubles.refused(operation, error, is_tried_again=is_own) and is_own:
            _log.error(
                "the store refuses to write %s, it is tried again by itself: %s", named(operation), error
            )
        if is_own:
            self._refused.append(job)
            self._plan_next_try(error)
        else:
            _answer([job], [error])

    async def _try_refused(self) -> None:
        """Try again what was refused, one after the other, until some are refused once more."""
        refusals = 0
        for _ in range(len(self._refused)):
            before = len(self._refused)
            self._jobs.insert(0, self._refused.popleft())
            await self._write_first(1)
            refusals += len(self._refused) == before
            if refusals == _MOST_REFUSALS:
                return

    # While the store can't be used.

    def _put_off(self, error: StoreUnavailableError) -> None:
        if self._trouble is None:
            _log.warning("the store can't be used, writing is tried again: %s", error)
        self._trouble = error
        self._room.troubles.away(error)
        self._plan_next_try(error)

    def _plan_next_try(self, error: StoreUnavailableError) -> None:
        self._failures += 1
        delay = self._backoff.delay(self._failures, self._room.ids.random.random())
        self._again_at = self._room.clock.monotonic() + delay
        self._room.observer.store_retried(error, delay)

    def _wait(self) -> None:
        """Answer those whose patience is over; wait for the next try with the others."""
        now = self._room.clock.monotonic()
        deadlines = self._give_up(self._trouble, now) if self._trouble is not None else []
        if self._jobs or self._refused:
            self.set_timer("again", min([self._again_at, *deadlines]) - now, TryAgain())
        else:
            self._trouble = None  # nobody waits: who comes next tries at once

    def _give_up(self, trouble: StoreUnavailableError, now: float) -> list[float]:
        """Answer those whose patience is over; return the deadlines of the others."""
        waiting = [(job, job[0].deadline if type(job[0]) is Write else now) for job in self._jobs]
        given_up = [job for job, deadline in waiting if deadline is not None and deadline <= now]
        _answer(given_up, [trouble] * len(given_up))
        self._jobs = [job for job, deadline in waiting if deadline is None or deadline > now]
        return [deadline for _, deadline in waiting if deadline is not None and deadline > now]

    def _publish(self, jobs: list[_Job], outcomes: list[Any], seconds: float) -> None:
        written = tuple(_written_in(outcomes))
        progress = tuple(
            structs.replace(message.event, pid=message.pid)
            for (message, _), outcome in zip(jobs, outcomes, strict=True)
            if isinstance(message, WriteProgress) and outcome is True
        )
        if written or progress:
            self._room.streams.tell(Committed(written, progress))
            self._report(written, seconds)

    def _report(self, written: tuple[Written, ...], seconds: float) -> None:
        if self._room.is_observed:
            committed: list[ProcessEvent] = []
            for one in written:
                committed += self._report_one(one)
            self._room.observer.events_committed(committed, seconds)

    def _report_one(self, one: Written) -> tuple[ProcessEvent, ...]:
        state, first = one.state, one.state.seq - len(one.events) + 1
        events = tuple(
            numbered(event, one.pid, first + number, one.position + number)
            for number, event in enumerate(one.events)
        )
        self._room.observer.process_changed(
            one.pid, one.name, events, trace=state.trace, is_owned=is_owned(state)
        )
        return events


_Job = tuple[Write | WriteProgress, ReplySlot[Any] | None]


def _answer(jobs: list[_Job], outcomes: list[Any]) -> None:
    for (_, slot), outcome in zip(jobs, outcomes, strict=True):
        if slot is None:
            continue
        if isinstance(outcome, BaseException):
            slot.fail(outcome)
        else:
            slot.send(outcome)


def _written_in(outcomes: Iterable[Any]) -> Iterable[Written]:
    for outcome in outcomes:
        if type(outcome) is Written:
            if outcome.replaced is not None:
                yield outcome.replaced
            yield from outcome.brought
            yield outcome
        elif type(outcome) is list:
            yield from (swept.written for swept in outcome if type(swept) is Swept)
