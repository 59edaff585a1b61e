"""How the processes of a selection are found, as talks with any database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import SLACK_S
from procactors.stores import _admitting
from procactors.stores._reading import readable, records
from procactors.stores._selections import Due, Expired, Orphaned, OwnedBy, Stranded
from procactors.stores._talk import One

if TYPE_CHECKING:
    from procactors.stores._record import Record
    from procactors.stores._selections import Selection
    from procactors.stores._talk import Talk


def selected(selection: Selection, limit: int, now: float) -> Talk[list[Record]]:
    """Return the first `limit` processes of a selection, in its order."""
    if isinstance(selection, Due):
        return (yield from _due(now + SLACK_S, list(selection.passes_over), limit))
    return (yield from _in_order([number for (number,) in (yield _query(selection, limit, now))]))


def _due(moment: float, passes_over: list[str], limit: int) -> Talk[list[Record]]:
    """Return the first that are due; those that can't be read don't count."""
    gates = yield from _admitting.gates_at(moment)
    asked = limit
    while True:
        if gates:
            numbers = yield from _admitting.admitted(gates, moment, passes_over, asked)
            count, found = len(numbers), (yield from _in_order(numbers))
        else:
            rows = yield One("records_due", (moment, passes_over, asked))
            count, found = len(rows), readable(rows)
        if len(found) >= limit or count < asked:
            return found[:limit]
        asked *= 4


def _in_order(numbers: list[int]) -> Talk[list[Record]]:
    order = {number: place for place, number in enumerate(numbers)}
    found = (yield from records("records_by_id", list(order))) if order else []
    return sorted(found, key=lambda one: order[one.id])


def _query(selection: Expired | Stranded | OwnedBy | Orphaned, limit: int, now: float) -> One:
    match selection:
        case Expired():
            return One("expired", (now + SLACK_S, limit))
        case Stranded(before, calls):
            return One("stranded", (before, list(calls), limit))
        case OwnedBy(manager):
            return One("owned_by", (manager, limit))
        case Orphaned():
            return One("orphans", (limit,))
