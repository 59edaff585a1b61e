"""How the processes of a selection are found, as talks with any database.

What can't be read is passed over, and takes nobody's room: neither among those that are claimed, nor in a
queue with limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import SLACK_S
from procactors.stores import _admitting
from procactors.stores._reading import sorted_out
from procactors.stores._selections import Due, Expired, Orphaned, OwnedBy, Stranded
from procactors.stores._talk import One

if TYPE_CHECKING:
    from procactors.stores._reading import Bad
    from procactors.stores._record import Record
    from procactors.stores._selections import Selection
    from procactors.stores._talk import Talk


def selected(selection: Selection, limit: int, now: float) -> Talk[tuple[list[Record], dict[str, str]]]:
    """Return the first `limit` processes of a selection, in its order; and why others can't be read."""
    if isinstance(selection, Due):
        found, bad = yield from _due(now + SLACK_S, list(selection.passes_over), limit)
    else:
        rows = yield _query(selection, limit, now)
        found, bad = yield from _in_order([number for (number,) in rows])
    return found, {one.pid: one.problem for one in bad}


def _due(moment: float, passes_over: list[str], limit: int) -> Talk[tuple[list[Record], list[Bad]]]:
    """Return the first that are due, and those before them that can't be read."""
    gates = yield from _admitting.gates_at(moment)
    asked = limit
    unreadable: dict[int, Bad] = {}
    while True:
        if gates:
            numbers = yield from _admitting.admitted(gates, moment, passes_over, asked, list(unreadable))
            found, bad = yield from _in_order(numbers)
        else:
            found, bad = sorted_out((yield One("records_due", (moment, passes_over, asked))))
        before = len(unreadable)
        unreadable.update((one.number, one) for one in bad)
        if len(found) >= limit or len(unreadable) == before:
            return found[:limit], [*unreadable.values()]
        asked *= 4


def _in_order(numbers: list[int]) -> Talk[tuple[list[Record], list[Bad]]]:
    if not numbers:
        return [], []
    order = {number: place for place, number in enumerate(numbers)}
    found, bad = sorted_out((yield One("records_by_id", (numbers,))))
    return sorted(found, key=lambda one: order[one.id]), bad


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
