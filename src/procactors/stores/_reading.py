"""Rows into records and events, on one sqlite3 connection. Plain and synchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import SLACK_S
from procactors.model.definition import plan_in
from procactors.model.event import StepProgressed, decode_body, raw_payload
from procactors.model.state import ProcessState
from procactors.model.status import ProcessStatus
from procactors.stores._batch import Command, Record
from procactors.stores._queries import queries_of
from procactors.stores._store import News

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from procactors.model.event import ProcessEvent

_sql = queries_of("sqlite")
_state_in = msgspec.json.Decoder(ProcessState).decode
_tags_in = msgspec.json.Decoder(tuple[str, ...]).decode


class _Queued(msgspec.Struct):
    """The first event of a process, with plan and input left encoded."""

    definition: msgspec.Raw
    data: msgspec.Raw = msgspec.Raw(b"null")


_queued_in = msgspec.json.Decoder(_Queued).decode


def read_records(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Record]:
    """Return the records that the query "records" gives, ended by the clause named `where`."""
    cursor = connection.execute(f"{_sql['records']} {_sql[where]}", values)
    return [record_of(row) for row in cursor.fetchall()]


def record_of(row: Sequence[Any]) -> Record:
    """Return the record of a row of the query "records"."""
    (
        number, pid, name, key, tags, priority, parent_pid, depth, owner, owner_name, epoch, created_at,
        state, progress, queued_body, data_body, error_body, interrupt_body, cancel_reason,
    ) = row  # fmt: skip
    queued = _queued_in(queued_body)
    return Record(
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
    )


def read_history(connection: sqlite3.Connection, pid: str, after: int, limit: int) -> list[ProcessEvent]:
    """Return the events of one process with a seq above `after`."""
    rows = connection.execute(_sql["history"], (pid, after, limit)).fetchall()
    return _known(decode_body(body, pid, seq, position, payload) for position, seq, body, payload in rows)


def read_events(connection: sqlite3.Connection, position: int, limit: int) -> tuple[list[ProcessEvent], int]:
    """Return the events of all processes beyond `position`, and the last position looked at."""
    rows = connection.execute(_sql["events_after"], (position, limit)).fetchall()
    last = rows[-1][0] if rows else position
    events = (decode_body(body, pid, seq, at, payload) for at, seq, body, payload, pid in rows)
    return _known(events), last


def _known(events: Iterable[ProcessEvent | None]) -> list[ProcessEvent]:
    """Leave out what a newer version wrote and this one does not know."""
    return [event for event in events if event is not None]


def read_commands(connection: sqlite3.Connection, owner: int | None) -> list[Command]:
    """Return what is wanted of the processes of `owner`, and of free ones."""
    rows = connection.execute(_sql["commands_for_owner"], (owner,)).fetchall()
    return [
        Command(number, process, kind, body.encode(), pid, owned_by)
        for number, process, pid, owned_by, kind, body in rows
    ]


def listing(
    statuses: Sequence[ProcessStatus] | None, name: str | None, limit: int, after: str | None
) -> tuple[Any, ...]:
    """Return the parameters of the clause records_listed."""
    wanted = None if statuses is None else msgspec.json.encode(list(statuses)).decode()
    return (wanted, name, after, limit)


def read_positions(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the newest position, and the largest that retention has deleted."""
    newest = connection.execute(_sql["last_position"]).fetchone()[0]
    gone = connection.execute(_sql["position_gone"]).fetchone()[0]
    return newest, gone


def read_next_moments(
    connection: sqlite3.Connection, now: float
) -> tuple[float | None, float | None, float | None]:
    """Return when something becomes due after `now`, when something expires, when the oldest ended."""
    due_at, expires_at, ended_at = connection.execute(_sql["next_moments"], (now + SLACK_S,)).fetchone()
    return due_at, expires_at, ended_at


def read_news(
    connection: sqlite3.Connection, owner: int | None, passes_over: frozenset[str], now: float
) -> News:
    """Return what waits for a manager."""
    calls = msgspec.json.encode(sorted(passes_over)).decode()
    due = connection.execute(_sql["due"], (now + SLACK_S, calls, 1)).fetchone() is not None
    return News(tuple(read_commands(connection, owner)), due)


def read_outcome(connection: sqlite3.Connection, command: int) -> str | None:
    """Return how a command was settled; None: not yet."""
    row = connection.execute(_sql["command_outcome"], (command,)).fetchone()
    return "the process is gone" if row is None else row[0]


def read_counts(connection: sqlite3.Connection) -> dict[ProcessStatus, int]:
    """Return how many processes there are of each status."""
    return {ProcessStatus(status): count for status, count in connection.execute(_sql["count_by_status"])}


def read_progress(connection: sqlite3.Connection) -> list[StepProgressed]:
    """Return the newest progress of all processes that have an owner."""
    found = []
    for pid, seq, body in connection.execute(_sql["progress"]):
        event = decode_body(body, pid, seq, 0)
        if isinstance(event, StepProgressed):
            found.append(event)
    return found
