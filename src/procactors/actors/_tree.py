"""What an actor system looks like at a moment: one row an actor, for people and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.actors._cell import Cell
from procactors.actors._staged import LaneStatistics
from procactors.actors._turns import message_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procactors.actors._supervisor import Supervisor


class TreeRow(msgspec.Struct, frozen=True):
    """One actor or supervisor.

    Attributes:
        name: Its name.
        kind: The actor's class, or "Supervisor".
        depth: How many supervisors are above it.
        state: "starting", "running", "stopping", "resting" (between two lives), "stopped".
        lanes: Its mailbox, the most urgent lane first.
        current: Class of the message in hand; "" if it is idle.
        current_age_s: Seconds since it took that message in hand.
        handled: Messages handled so far.
        expired: Asks dropped because nobody waited for them any more.
        restarts: Lives after the first.
        tasks: Child tasks that are running.
        waits_for: Names of the actors whose replies it waits for; "" if it waits for none.
    """

    name: str
    kind: str
    depth: int
    state: str = "running"
    lanes: tuple[LaneStatistics, ...] = ()
    current: str = ""
    current_age_s: float = 0.0
    handled: int = 0
    expired: int = 0
    restarts: int = 0
    tasks: int = 0
    waits_for: str = ""


def rows_below(supervisor: Supervisor, depth: int = 0) -> Iterator[TreeRow]:
    """Go through a supervisor and all that is below it, in the order of starting."""
    yield TreeRow(supervisor.name, "Supervisor", depth)
    for child in supervisor.children():
        if isinstance(child, Cell):
            yield _row(child, depth + 1)
        else:
            yield from rows_below(child, depth + 1)


def _row(cell: Cell, depth: int) -> TreeRow:
    turns = cell.turns
    current: Any = turns.current[0] if isinstance(turns.current, list) else turns.current
    return TreeRow(
        name=cell.name,
        kind=cell.kind,
        depth=depth,
        state=cell.state.value,
        lanes=turns.mailbox.statistics(),
        current="" if current is None else type(message_in(current)).__name__,
        current_age_s=0.0 if current is None else cell.system.clock.monotonic() - turns.current_since,
        handled=turns.handled,
        expired=turns.expired,
        restarts=cell.restarts,
        tasks=len(cell.tasks),
        waits_for=", ".join(asked.name for asked in cell.asks),
    )
