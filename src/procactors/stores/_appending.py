"""Appends in one round trip, by the function `procactors_append` of a PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.stores._talk import One
from procactors.stores._transaction import Transaction
from procactors.stores._writing import Write, events_of, outcomes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.stores import _batch as b
    from procactors.stores._talk import Talk


class AppendingTransaction(Transaction):
    """Does the appends of a batch by the database's own function, unless one of them is refused."""

    def _append_all(self, appends: Sequence[b.Append], now: float) -> Talk[list[b.Outcome]]:
        written: list[b.Outcome] | None = None
        if all(append.is_plain for append in appends):
            written = yield from append_at_once(appends, now, self._ageing_s, "")
        return (yield from super()._append_all(appends, now)) if written is None else written


def append_at_once(
    appends: Sequence[b.Append], now: float, ageing_s: float, channel: str
) -> Talk[list[b.Outcome] | None]:
    """Do all these appends, or (None) none of them; tell who listens to `channel`, if that is not ""."""
    writes = [Write.of_append(append) for append in appends]
    status, owner, epoch, due_at, expires_at, rank, call, ended_at, state = _columns(
        [write.columns(ageing_s) for write in writes]
    )
    values = (
        [write.process for write in writes], epoch, [write.first_seq for write in writes],
        status, owner, due_at, expires_at, rank, call, ended_at, state, *_columns(events_of(writes)),
        [write.process for write in writes if write.decision.state.ended_at], now, ageing_s, channel,
    )  # fmt: skip
    position, lets_start = (yield One("append", values))[0]
    return None if position is None else [*outcomes_of(writes, position, lets_start=lets_start)]


def landed(appends: Sequence[b.Append]) -> Talk[list[b.Outcome] | None]:
    """Return the outcomes of appends that were stored although the answer was lost; None: they were not."""
    writes = [Write.of_append(append) for append in appends]
    process, seq, _, body = events_of(writes[:1])[0]
    rows = yield One("landed", (process, seq, body))
    return [*outcomes_of(writes, rows[0][0], lets_start=True)] if rows else None


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [
        [value.decode() for value in column] if type(column[0]) is bytes else list(column)
        for column in zip(*rows, strict=True)
    ]
