"""Decisions into rows: what is written into the tables for each, and what the writer learns of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.model.event_body import encode_body
from procactors.model.state import is_owned, next_call
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b
from procactors.stores._record import Decision, Record
from procactors.stores._talk import Many, One

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.stores._talk import Talk

encoded = msgspec.json.Encoder().encode
_CLAIMABLE = (ProcessStatus.QUEUED, ProcessStatus.SLEEPING, ProcessStatus.BLOCKED, ProcessStatus.UNDOING)


class Write(msgspec.Struct, frozen=True, gc=False):
    """A decision on its way into the tables."""

    process: int
    pid: str
    name: str
    epoch: int
    decision: Decision
    owner: int | None
    call: str | None
    priority: int

    @classmethod
    def of_append(cls, op: b.Append) -> Write:
        """The owner's own decision."""
        return cls(op.process, op.pid, op.name, op.epoch, op.decision, op.owner, op.call, op.priority)

    @classmethod
    def of_insert(cls, op: b.Insert) -> Write:
        """A new process, which has no number yet."""
        call = next_call(op.decision.state, op.plan)
        return cls(0, op.pid, op.plan.name, 1, op.decision, op.owner, call, op.priority)

    @classmethod
    def of_record(cls, record: Record, decision: Decision, take_as: int | None) -> Write:
        """A decision on a free process; whatever it is, it fences off who owned the process before."""
        state = decision.state
        owner = take_as if is_owned(state) else None
        call = next_call(state, record.plan)
        epoch = record.epoch + 1
        return cls(record.id, record.pid, record.name, epoch, decision, owner, call, record.priority)

    @property
    def first_seq(self) -> int:
        """Number of the first of its events."""
        return self.decision.state.seq - len(self.decision.events) + 1

    def columns(self, ageing_s: float) -> tuple[Any, ...]:
        """Return what follows from the state, in the order of the query update_processes."""
        state = self.decision.state
        due_at = expires_at = rank = None
        if self.owner is None and state.status in _CLAIMABLE:
            due_at, expires_at = state.due_at, state.deadline_at
            rank = None if due_at is None else due_at - self.priority * ageing_s
        elif self.owner is None and state.status is ProcessStatus.INTERRUPTED:
            expires_at = state.due_at
        moments = (due_at, expires_at, rank, self.call, state.ended_at or None)
        return (state.status.value, self.owner, self.epoch, *moments, encoded(state))

    def outcome(self, position: int, *, lets_start: bool) -> b.Written:
        """Return what the writer learns, given the position of the first event."""
        done = self.decision
        return b.Written(
            self.process, self.pid, self.name, self.epoch, done.events, done.state, position, lets_start
        )


def events_of(writes: Sequence[Write]) -> list[tuple[Any, ...]]:
    """Return the rows for the query insert_events."""
    return [
        (write.process, seq, getattr(event, "payload_seq", None) or None, encode_body(event))
        for write in writes
        for seq, event in enumerate(write.decision.events, write.first_seq)
    ]


def outcomes_of(writes: Sequence[Write], position: int, *, lets_start: bool) -> list[b.Written]:
    """Return what the writers learn, given the position of the very first event."""
    written = []
    for write in writes:
        written.append(write.outcome(position, lets_start=lets_start))
        position += len(write.decision.events)
    return written


def write_all(
    writes: Sequence[Write], now: float, ageing_s: float, *, are_new: bool = False
) -> Talk[list[b.Written]]:
    """Append events, and bring the snapshots of their processes up to date."""
    if not writes:
        return []
    events = events_of(writes)
    numbers = yield Many("insert_events", events)
    if not are_new:
        yield Many("update_processes", [(write.process, *write.columns(ageing_s)) for write in writes])
    ended = [write.process for write in writes if write.decision.state.ended_at]
    lets_start = bool(ended) and (yield from let_go(ended, now, ageing_s))
    return outcomes_of(writes, numbers[0][0], lets_start=lets_start)


def let_go(ended: list[int], now: float, ageing_s: float) -> Talk[bool]:
    """Give up what ended processes hold: active keys, and the place before those behind them.

    Returns:
        Whether there was any behind them.
    """
    yield One("give_up_active_keys", (ended,))
    return bool((yield One("release_those_behind", (now, ageing_s, ended))))


def insert_all(
    inserts: Sequence[tuple[b.Insert, int | None]], now: float, ageing_s: float
) -> Talk[list[b.Written]]:
    """Store new processes, each with the number of the process that it waits behind, if it does."""
    rows = [_row(insert, behind, ageing_s) for insert, behind in inserts]
    numbers = yield Many("insert_processes", rows)
    writes = [
        msgspec.structs.replace(Write.of_insert(insert), process=number)
        for (insert, _), (number,) in zip(inserts, numbers, strict=True)
    ]
    tags = [
        (tag, write.process)
        for (insert, _), write in zip(inserts, writes, strict=True)
        for tag in insert.tags
    ]
    if tags:
        yield Many("insert_tags", tags)
    return (yield from write_all(writes, now, ageing_s, are_new=True))


def _row(insert: b.Insert, behind: int | None, ageing_s: float) -> tuple[Any, ...]:
    """Return the row for the query insert_processes."""
    columns = Write.of_insert(insert).columns(ageing_s)
    status, owner, epoch, due_at, expires_at, rank, call, ended_at, state = columns
    if behind is not None:
        due_at = rank = None
    return (
        insert.pid, insert.plan.name, insert.key, insert.unique, insert.key_scope, encoded(insert.tags),
        insert.priority, insert.parent, insert.depth, behind,
        insert.plan.name if insert.plan.limits else None, insert.group, insert.plan.keep,
        status, owner, epoch, due_at, expires_at, rank, call,
        insert.decision.events[0].at.timestamp(), ended_at, state,
    )  # fmt: skip
