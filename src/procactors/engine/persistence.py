"""The persistence actor: drains its mailbox, writes all of it in one transaction, answers everyone.

Group commit without a timer: an idle system commits at once, a busy one in large batches, because what
arrives during one transaction waits for the next. A store that can't be used for a while is tried again,
with backoff, while the engine's own writes wait; a user's write gives up at its deadline. Nothing is
acknowledged before it is committed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from procactors.actors import Actor, Backoff, Lane, Overflow, ReplySlot
from procactors.engine.messages import Committed, Write, WriteProgress
from procactors.errors import StoreUnavailableError
from procactors.stores._batch import Swept, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from procactors.engine.room import Room

_log = logging.getLogger("procactors.engine")

_MOST_OPERATIONS = 1000
"""How many operations one transaction takes."""


class PersistenceActor(Actor[Write | WriteProgress]):
    """The one writer of a manager."""

    lanes: ClassVar[Sequence[Lane]] = (
        Lane("progress", overflow=Overflow.COALESCE),
        Lane("work", capacity=20_000, overflow=Overflow.WAIT),
    )

    def __init__(self, room: Room) -> None:
        """Write to the room's store."""
        self._room = room
        self._backoff = Backoff(first_s=0.02, most_s=1.0)
        self._is_stopping = False

    async def receive_many(self, messages: list[Write | WriteProgress]) -> None:
        """Commit a batch, and answer its senders."""
        jobs = list(zip(messages, self.take_replies(), strict=True))
        for start in range(0, len(jobs), _MOST_OPERATIONS):
            await self._commit(jobs[start : start + _MOST_OPERATIONS])

    def on_stop_requested(self) -> None:
        """Stop to wait for a store that can't be used."""
        self._is_stopping = True

    async def _commit(self, jobs: list[_Job]) -> None:
        failures = 0
        while jobs:
            started = self._room.clock.monotonic()
            try:
                outcomes = await self._room.store.commit([message.operation for message, _ in jobs])
            except StoreUnavailableError as error:
                failures += 1
                jobs = self._still_patient(jobs, error)
                if jobs:
                    await self._wait(error, failures)
            except Exception as error:  # noqa: BLE001 - a broken operation must not take the engine down
                _log.exception("a transaction failed in a way that trying again can't mend")
                jobs = await self._one_by_one(jobs, error)
            else:
                self._publish(jobs, outcomes, self._room.clock.monotonic() - started)
                _answer(jobs, outcomes)
                return

    async def _one_by_one(self, jobs: list[_Job], error: Exception) -> list[_Job]:
        """Find out which operation is the broken one; nothing of the batch was written."""
        if len(jobs) == 1:
            _answer(jobs, [error])
            return []
        for job in jobs:
            await self._commit([job])
        return []

    def _still_patient(self, jobs: list[_Job], error: StoreUnavailableError) -> list[_Job]:
        """Answer those who wait no longer, and return the others."""
        now = self._room.clock.monotonic()
        patient = []
        for message, slot in jobs:
            deadline = message.deadline if isinstance(message, Write) else now
            if self._is_stopping or (deadline is not None and deadline <= now):
                _answer([(message, slot)], [error])
            else:
                patient.append((message, slot))
        return patient

    async def _wait(self, error: StoreUnavailableError, failures: int) -> None:
        delay = self._backoff.delay(failures, self._room.ids.random.random())
        if failures == 1:
            _log.warning("the store can't be used, writing is tried again: %s", error)
        self._room.observer.store_retried(error, delay)
        await anyio.sleep(delay)

    def _publish(self, jobs: list[_Job], outcomes: list[Any], seconds: float) -> None:
        written = tuple(_written_in(outcomes))
        progress = tuple(
            message.event
            for (message, _), outcome in zip(jobs, outcomes, strict=True)
            if isinstance(message, WriteProgress) and outcome is True
        )
        if written or progress:
            self._room.streams.tell(Committed(written, progress))
            self._report(written, seconds)

    def _report(self, written: tuple[Written, ...], seconds: float) -> None:
        if self._room.is_observed:
            events = [event for one in written for event in one.events]
            self._room.observer.events_committed(events, seconds)


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
            yield outcome
        elif type(outcome) is list:
            yield from (swept.written for swept in outcome if type(swept) is Swept)
