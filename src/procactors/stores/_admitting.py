"""Which of the due processes may start now: past pauses, limits and rates, as talks with any database.

Who claims asks inside the transaction that takes them up, so that two managers can't exceed a limit together.
What a limit holds back blocks nobody behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from procactors.model.limits import Limits
from procactors.model.state import is_owned
from procactors.stores._talk import Many, One

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.stores import _batch as b
    from procactors.stores._record import Decision, Record
    from procactors.stores._talk import Talk

ALL = ""
"""In the place of a definition's name: all of them, but what processes under way start."""

_WANTED, _TAKEN = 1, 2
"""The place, among those of its queue that run, of a process that waits for its children; 0: it has none."""


class Gate(NamedTuple):
    """What holds the processes of one name back."""

    name: str
    max_running: int | None
    max_per_group: int | None
    rate_starts: int | None
    rate_s: float | None
    paused_at: float | None

    @property
    def is_limited(self) -> bool:
        """Whether it has limits: then its processes are found by their queue."""
        return (self.max_running, self.max_per_group, self.rate_starts) != (None, None, None)

    @property
    def limits(self) -> Limits:
        """The limits, as a definition has them."""
        rate = None
        if self.rate_starts is not None and self.rate_s is not None:
            rate = (self.rate_starts, self.rate_s)
        return Limits(self.max_running, self.max_per_group, rate)


class _Round(NamedTuple):
    """One look at what is due."""

    moment: float
    passes_over: list[str]
    children_only: int
    limit: int
    unreadable: list[int]


def gates_at(moment: float) -> Talk[list[Gate]]:
    """Return what holds processes back that are due."""
    return [Gate(*row) for row in (yield One("gates", (moment,)))]


def admitted(
    gates: list[Gate], moment: float, passes_over: list[str], limit: int, unreadable: Sequence[int] = ()
) -> Talk[list[int]]:
    """Return the processes that may be taken up, best first, at most `limit`.

    Those that are known as unreadable take no room in a queue with limits.
    """
    paused = [gate.name for gate in gates if gate.paused_at is not None]
    look = _Round(moment, passes_over, int(ALL in paused), limit, list(unreadable))
    found = list((yield from _without_limits(paused, look)))
    open_gates = [gate for gate in gates if gate.is_limited and gate.paused_at is None]
    for gate in open_gates:
        found += yield from _through(gate, look)
    if open_gates:
        found.sort(key=_order)
    return [row[0] for row in found[:limit]]


def _without_limits(paused: list[str], look: _Round) -> Talk[Sequence[tuple[Any, ...]]]:
    """Return those that have no limits and are not paused; those that are cost nothing, however many."""
    if not paused:
        return (yield One("due", (look.moment, look.passes_over, look.limit)))
    if look.children_only:
        return (yield One("due_children", (look.moment, look.passes_over, paused, look.limit)))
    names = [name for (name,) in (yield One("names")) if name not in paused]
    return (yield One("due_of_names", (look.moment, look.passes_over, names, look.limit)))


def _order(row: tuple[Any, ...]) -> tuple[float, int]:
    number, rank = row[0], row[1]
    is_number = isinstance(rank, int | float)  # SQLite keeps what it is given
    return rank if is_number else float("inf"), number


def _through(gate: Gate, look: _Round) -> Talk[list[tuple[Any, ...]]]:
    """Return those of one queue that its limits let through."""
    busy: dict[str | None, int] = dict((yield One("busy", (gate.name, _WANTED))))
    room = min(look.limit, (yield from _room(gate, sum(busy.values()), look.moment)))
    most = gate.max_per_group
    taken: list[tuple[Any, ...]] = []
    while room > len(taken):
        full = [] if most is None else [group for group, n in busy.items() if group and n >= most]
        values = (look.moment, gate.name, look.passes_over, look.children_only, full)
        rows = yield One(
            "due_in_queue", (*values, [*look.unreadable, *(row[0] for row in taken)], room - len(taken))
        )
        for row in rows:
            if most is None or row[2] is None or busy.get(row[2], 0) < most:
                busy[row[2]] = busy.get(row[2], 0) + 1
                taken.append(row)
        if not rows:
            break
    return taken


def _room(gate: Gate, busy: int, moment: float) -> Talk[float]:
    """Return how many more of a queue may begin now."""
    room = float("inf") if gate.max_running is None else gate.max_running - busy
    if gate.rate_starts is not None and gate.rate_s is not None:
        begun = (yield One("starts_since", (gate.name, moment - gate.rate_s)))[0][0]
        room = min(room, gate.rate_starts - begun)
    return room


def opens_at(moment: float) -> Talk[float | None]:
    """Return when the rate of a queue lets something through that is due."""
    moments = []
    for gate in (yield from gates_at(moment)):
        if gate.rate_starts is not None and gate.rate_s is not None:
            rows = yield One("start_before", (gate.name, gate.rate_starts - 1))
            moments += [at + gate.rate_s for (at,) in rows if at + gate.rate_s > moment]
    return min(moments, default=None)


def note_starts(taken: Sequence[tuple[Record, Decision]], now: float) -> Talk[None]:
    """Note that these have begun to run, as far as they have a rate."""
    begun = [
        (record.name, record.plan.limits.rate[1])
        for record, decision in taken
        if is_owned(decision.state) and record.plan.limits and record.plan.limits.rate
    ]
    for name, seconds in dict(begun).items():
        yield One("forget_starts", (name, now - seconds))
    if begun:
        yield Many("note_starts", [(name, now) for name, _ in begun])


def note_limits(inserts: Sequence[b.Insert]) -> Talk[None]:
    """Note the limits of new processes: they hold for all of their names."""
    for name, limits in {insert.plan.name: insert.plan.limits for insert in inserts}.items():
        if limits is not None:
            starts, seconds = limits.rate or (None, None)
            yield One("note_limits", (name, limits.max_running, limits.max_per_group, starts, seconds))


def take_place(process: int) -> Talk[bool]:
    """Let a process that waited for children run again if its limits allow; if not, it is the next to."""
    rows = yield One("gate_of", (process,))
    if not rows:
        return True
    *fields, group = rows[0]
    gate = Gate(*fields)
    busy: dict[str | None, int] = dict((yield One("busy", (gate.name, _TAKEN))))
    fits = gate.max_running is None or sum(busy.values()) < gate.max_running
    if gate.max_per_group is not None and group is not None:
        fits = fits and busy.get(group, 0) < gate.max_per_group
    yield One("set_place", (_TAKEN if fits else _WANTED, process))
    return fits


def give_place(process: int) -> Talk[bool]:
    """Let others run in the place of a process that waits for its children."""
    yield One("set_place", (0, process))
    return True
