"""How deferred updates stand, as the web face shows it. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from procactors.model.event import DeferredUpdateFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.deferred import DeferredScheduler


class SchedulerState(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduler of deferred updates; what it has done counts from its opening.

    Attributes:
        name: "deferred" has what steps defer, "responses" what is deferred around responses.
        running: Scopes that run now.
        waiting: Runs that wait for a place.
        scopes: Scopes that it holds.
        ran: Updates that ran.
        failed: Updates that failed.
        cancelled: Updates that a rolled back transaction has cancelled.
        merged: Updates that were merged into others.
        enqueued: Updates that became processes.
        lost: Updates that were cut off, and that nobody took.
        pending: Where the updates that wait were deferred, and how many of each place.
        failures: Where the updates that failed were deferred, and how many of each place.
    """

    name: str
    running: int
    waiting: int
    scopes: int
    ran: int
    failed: int
    cancelled: int
    merged: int
    enqueued: int
    lost: int
    pending: dict[str, int]
    failures: dict[str, int]

    @property
    def origins(self) -> list[str]:
        """All places, those with the most that wait first."""
        return sorted({*self.pending, *self.failures}, key=lambda one: (-self.pending.get(one, 0), one))


class DeferredState(msgspec.Struct, frozen=True):
    """Deferred updates.

    Attributes:
        schedulers: Those of the manager that serves this; a client has none.
        failures: The newest failures in histories of processes, the newest first.
    """

    schedulers: list[SchedulerState]
    failures: list[DeferredUpdateFailed]


def state_of(scheduler: DeferredScheduler) -> SchedulerState:
    """Return how a scheduler stands now."""
    now = scheduler.statistics()
    return SchedulerState(
        name=scheduler.name,
        running=now.running,
        waiting=now.waiting,
        scopes=now.scopes,
        **msgspec.structs.asdict(now.report),
        lost=now.lost,
        pending=dict(scheduler.pending()),
        failures=dict(now.failures),
    )


def by_origin(failures: Sequence[DeferredUpdateFailed]) -> list[tuple[int, DeferredUpdateFailed]]:
    """Return for each origin how many failed, and the newest of them; the most first."""
    counts = Counter(event.origin for event in failures)
    newest = {event.origin: event for event in reversed(failures)}
    return [(count, newest[origin]) for origin, count in counts.most_common()]
