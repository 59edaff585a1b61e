"""What is read, as talks with any database: rows into records, events and news.

A row that can't be read, because a newer version wrote it or because it was edited by hand, is left out of
lists, so that it does not hide the others; asked for by its pid, it is an error.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from procactors._clock import SLACK_S
from procactors.errors import InvalidDefinitionError, InvalidStoreError
from procactors.model.definition import plan_in
from procactors.model.event import DeferredUpdateFailed, StepProgressed
from procactors.model.event_body import decode_body, raw_payload
from procactors.model.state import ProcessState
from procactors.model.status import ProcessStatus
from procactors.stores import _admitting
from procactors.stores._batch import Command
from procactors.stores._record import Record
from procactors.stores._store import News, Relative
from procactors.stores._talk import One

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from procactors.model.event import ProcessEvent
    from procactors.stores._talk import Talk

_log = logging.getLogger("procactors.stores")

_state_in = msgspec.json.Decoder(ProcessState).decode
_STATUSES = frozenset(status.value for status in ProcessStatus)
"""A newer version may have others, and somebody's hand may write anything."""
_LAST_MOMENT = 253_402_300_800.0  # the end of the year 9999
_tags_in = msgspec.json.Decoder(tuple[str, ...]).decode


class _Queued(msgspec.Struct):
    """The first event of a process, with plan and input left encoded."""

    definition: msgspec.Raw
    data: msgspec.Raw = msgspec.Raw(b"null")
    group: str | None = None


_queued_in = msgspec.json.Decoder(_Queued).decode


def records(query: str, *values: Any) -> Talk[list[Record]]:
    """Return the records that a query of the kind "records" gives, without those that can't be read."""
    return readable((yield One(query, values)))


class Bad(NamedTuple):
    """A row of the kind "records" that can't be read, and why."""

    number: int
    pid: str
    problem: str


def readable(rows: Iterable[Sequence[Any]]) -> list[Record]:
    """Return the records of rows of the kind "records", without those that can't be read."""
    return sorted_out(rows)[0]


def sorted_out(rows: Iterable[Sequence[Any]]) -> tuple[list[Record], list[Bad]]:
    """Return the records of rows of the kind "records", and those that can't be read."""
    found, bad = [], []
    for row in rows:
        try:
            found.append(_record_of(row))
        except _UNREADABLE as error:
            bad.append(Bad(row[0], row[1], pass_over(row[1], str(error))))
    return found, bad


_UNREADABLE = (msgspec.MsgspecError, InvalidDefinitionError)


@lru_cache(maxsize=4096)  # so that each is logged once
def pass_over(pid: str, problem: str) -> str:
    """Note that a process can't be dealt with; return why."""
    _log.warning("process %s is passed over, as it can't be read: %s", pid, problem)
    return problem


def _record_of(row: Sequence[Any]) -> Record:
    """Return the record of a row of the query "records"."""
    (
        number, pid, name, key, tags, priority, parent_pid, depth, owner, owner_name, epoch, created_at,
        state, progress, queued_body, data_body, error_body, interrupt_body, cancel_reason,
    ) = row  # fmt: skip
    if queued_body is None:
        raise msgspec.ValidationError("its first event is gone")
    queued = _queued_in(queued_body)
    found = Record(
        id=number,
        pid=pid,
        name=name,
        key=key,
        tags=_tags_in(tags),
        priority=priority,
        parent_pid=parent_pid,
        depth=depth,
        owner=owner,
        owner_name=owner_name,
        epoch=epoch,
        created_at=created_at,
        progress=progress,
        state=_state_in(state),
        plan=plan_in(bytes(queued.definition)),
        data=queued.data if data_body is None else raw_payload(data_body),
        error_body=error_body,
        interrupt_body=interrupt_body,
        cancel_reason=cancel_reason,
        group=queued.group,
    )
    _check(found)
    return found


def _check(found: Record) -> None:
    """Refuse what nothing but somebody's hand can have written: SQLite's columns take values of any type."""
    numbers = (found.priority, found.depth, found.epoch, found.created_at)
    if not all(isinstance(number, int | float) for number in numbers):
        raise msgspec.ValidationError(f"one of its numbers is none: {numbers}")
    moments = (found.created_at, found.state.due_at, found.state.deadline_at, found.state.started_at)
    if not all(moment is None or 0 <= moment < _LAST_MOMENT for moment in (*moments, found.state.ended_at)):
        raise msgspec.ValidationError(f"one of its moments is none: {moments}")
    if not 0 <= found.state.index <= len(found.plan.steps):
        raise msgspec.ValidationError(f"its plan has no step number {found.state.index}")


def record(pid: str) -> Talk[Record | None]:
    """Return one process.

    Raises:
        InvalidStoreError: It can't be read.
    """
    rows = yield One("records_by_pid", (pid,))
    try:
        return _record_of(rows[0]) if rows else None
    except _UNREADABLE as error:
        problem = f"process {pid} can't be read: a newer version wrote it, or it was edited by hand ({error})"
        raise InvalidStoreError(problem, pid=pid) from error


def history(pid: str, after: int, limit: int) -> Talk[list[ProcessEvent]]:
    """Return the events of one process with a seq above `after`."""
    rows = yield One("history", (pid, after, limit))
    return _known(decode_body(body, pid, seq, position, payload) for position, seq, body, payload in rows)


def events_after(position: int, limit: int) -> Talk[tuple[list[ProcessEvent], int]]:
    """Return the events of all processes beyond `position`, and the last position looked at."""
    rows = yield One("events_after", (position, limit))
    last = rows[-1][0] if rows else position
    events = (decode_body(body, pid, seq, at, payload) for at, seq, body, payload, pid in rows)
    return _known(events), last


def _known(events: Iterable[ProcessEvent | None]) -> list[ProcessEvent]:
    """Leave out what a newer version wrote and this one does not know."""
    return [event for event in events if event is not None]


def progress() -> Talk[list[StepProgressed]]:
    """Return the newest progress of all processes that have an owner."""
    rows = yield One("progress")
    events = _known(decode_body(body, pid, seq, 0) for pid, seq, body in rows)
    return [event for event in events if isinstance(event, StepProgressed)]


def deferred_failures(limit: int) -> Talk[list[DeferredUpdateFailed]]:
    """Return the newest failures of what steps have deferred, the newest first."""
    rows = yield One("deferred_failures", (limit,))
    events = _known(decode_body(body, pid, seq, position) for position, seq, body, pid in rows)
    return [event for event in events if isinstance(event, DeferredUpdateFailed)]


def positions() -> Talk[tuple[int, int]]:
    """Return the newest position, and the largest that retention has deleted."""
    newest = (yield One("last_position"))[0][0]
    gone = (yield One("position_gone"))[0][0]
    return newest, gone


def next_moments(now: float) -> Talk[tuple[float | None, float | None]]:
    """Return when something may be taken up after `now`, and when something expires."""
    due_at, expires_at = (yield One("next_moments", (now + SLACK_S,)))[0]
    opens_at = yield from _admitting.opens_at(now + SLACK_S)
    moments = [moment for moment in (due_at, opens_at) if isinstance(moment, int | float)]
    return min(moments, default=None), expires_at if isinstance(expires_at, int | float) else None


def next_purge(keep_s: float) -> Talk[float | None]:
    """Return when an ended process has been kept for long enough: its own time, or `keep_s` seconds."""
    ended_at, moment = (yield One("next_purge"))[0]
    moments = [moment] if ended_at is None else [moment, ended_at + keep_s]
    return min((one for one in moments if one is not None), default=None)


def news(owner: int | None, passes_over: frozenset[str], now: float) -> Talk[News]:
    """Return what waits for a manager."""
    gates = yield from _admitting.gates_at(now + SLACK_S)
    due = yield from _admitting.admitted(gates, now + SLACK_S, list(passes_over), 1)
    orphans = yield One("bereaved", (1,))
    rows = yield One("commands_for_owner", (owner,))
    commands = tuple(
        Command(number, process, kind, body.encode(), pid, owned_by)
        for number, process, pid, owned_by, kind, body in rows
    )
    return News(commands, bool(due), bool(orphans))


def command_outcome(command: int) -> Talk[str | None]:
    """Return how a command was settled; None: not yet."""
    rows = yield One("command_outcome", (command,))
    return rows[0][0] if rows else "the process is gone"


def counts() -> Talk[dict[ProcessStatus, int]]:
    """Return how many processes there are of each status."""
    rows = yield One("count_by_status")
    return {ProcessStatus(status): count for status, count in rows if status in _STATUSES}


def relatives(parent: int, prefix: str) -> Talk[list[Relative]]:
    """Return the children of a process whose identity begins so."""
    rows = yield One("relatives", (parent, prefix))
    return [Relative(identity, pid, ProcessStatus(status)) for identity, pid, status in rows]


def bereaved(limit: int) -> Talk[list[str]]:
    """Return the pids of those alive whose parent is not."""
    return [pid for (pid,) in (yield One("bereaved", (limit,)))]
