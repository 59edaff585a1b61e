"""Sets updates aside whose turn came while the transaction they are tied to was open.

No run waits for a commit: what is parked comes back by itself, as a POSTSEND update of the root, when
its transaction has committed, and is dropped when it was rolled back. Either wakes the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.deferred._stage import Stage

if TYPE_CHECKING:
    from procactors.deferred._level import Level
    from procactors.deferred._opportunity import Opportunity
    from procactors.deferred._queue import DeferredUpdates
    from procactors.deferred._rounds import Entry
    from procactors.deferred._shared import Shared
    from procactors.deferred._tie import Tie


class Parking:
    """Where the updates of one scope are parked."""

    __slots__ = ("_opportunity", "_root", "_shared")

    def __init__(self, root: Level, shared: Shared, opportunity: Opportunity) -> None:
        """Bring updates back to `root`."""
        self._root = root
        self._shared = shared
        self._opportunity = opportunity

    def park(self, entry: Entry, tie: Tie, updates: DeferredUpdates) -> None:
        """Set `entry` of `updates` aside until the transaction of `tie` is over."""
        self._shared.parked[entry] = None
        tie.park(lambda committed: self._come_back(entry, updates, committed=committed))

    def _come_back(self, entry: Entry, updates: DeferredUpdates, *, committed: bool) -> None:
        if entry not in self._shared.parked:
            return
        del self._shared.parked[entry]
        entry.tie = None
        if committed:
            self._root.add(entry, Stage.POSTSEND)
        else:
            self._shared.counts.cancelled += 1
        self._opportunity.rouse(updates)
