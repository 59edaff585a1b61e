"""Pausing queues, and what they look like: talks with any database."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from procactors._clock import to_datetime
from procactors.model.info import QueueInfo
from procactors.model.status import ProcessStatus
from procactors.stores._admitting import ALL, Gate
from procactors.stores._talk import One

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.stores import _batch as b
    from procactors.stores._talk import Talk


def pause(name: str | None, now: float) -> Talk[None]:
    """Let nothing of that name (None: nothing at all) be taken up."""
    yield One("pause", (name or ALL, now))


def resume(name: str | None, now: float) -> Talk[dict[int, float]]:
    """End a pause; return the processes whose time has stood still, and for how many seconds."""
    pauses: dict[str, float] = dict((yield One("pauses")))
    if (name or ALL) not in pauses:
        return {}
    stood_still = {}
    for process, its_name, is_child, since in (yield One("counting", (name or ALL,))):
        reasons = [its_name] if is_child else [its_name, ALL]
        paused_at = min(pauses[one] for one in reasons if one in pauses)
        stood_still[process] = now - max(paused_at, datetime.fromisoformat(since).timestamp())
    yield One("resume", (name or ALL,))
    yield from forget_idle(now)
    return stood_still


def forget_idle(now: float) -> Talk[None]:
    """Delete what is known of queues that hold nothing back any more."""
    yield One("forget_queues", (now,))
    yield One("forget_starts_of_nobody", ())


def held(inserts: Sequence[b.Insert]) -> Talk[set[str]]:
    """Return the pids of new processes that must not run at once, as their queue is paused."""
    wanting = [insert for insert in inserts if insert.owner is not None]
    if not wanting:
        return set()
    paused = {name for name, _ in (yield One("pauses"))}
    return {
        insert.pid
        for insert in wanting
        if insert.plan.name in paused or (ALL in paused and insert.parent is None)
    }


def queues(now: float) -> Talk[list[QueueInfo]]:
    """Return how the queues stand, the first one being all of them together."""
    gates = {gate.name: gate for gate in [Gate(*row) for row in (yield One("queues"))]}
    counts: dict[str, dict[ProcessStatus, int]] = defaultdict(dict)
    for name, status, count in (yield One("count_alive")):
        counts[name][ProcessStatus(status)] = count
        counts[ALL][ProcessStatus(status)] = counts[ALL].get(ProcessStatus(status), 0) + count
    oldest = {name: to_datetime(at) for name, at in (yield One("oldest_due", (now,)))}
    is_all_paused = ALL in gates and gates[ALL].paused_at is not None
    infos = [
        QueueInfo(
            name=None,
            is_paused=is_all_paused,
            counts=counts.pop(ALL, {}),
            oldest_due_at=min(oldest.values(), default=None),
        )
    ]
    for name in sorted({*counts, *gates} - {ALL}):
        gate = gates.get(name, Gate(name, None, None, None, None, None))
        limits = gate.limits
        infos.append(
            QueueInfo(
                name=name,
                is_paused=is_all_paused or gate.paused_at is not None,
                counts=counts.get(name, {}),
                oldest_due_at=oldest.get(name),
                max_running=limits.max_running,
                max_per_group=limits.max_per_group,
                rate=limits.rate,
            )
        )
    return infos


def count_owned(name: str | None) -> Talk[int]:
    """Return how many processes of a name (None: of all) some manager runs."""
    count: int = (yield One("count_owned", (name,)))[0][0]
    return count
