"""One level of nesting: the root of a scope, or what belongs to one running update.

A level holds what waits in it, by stage. What is added while an update runs goes into the level of
that update; what must not run there moves up to the level it came from. Levels may be added to from
any thread: one lock, shared by the levels of a scope, guards their queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.deferred._rounds import StageQueue
from procactors.deferred._shared import Shared
from procactors.deferred._stage import Stage
from procactors.deferred._updates import MergeableUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procactors.deferred._rounds import Entry
    from procactors.deferred._tie import Tie

_STAGES = (int(Stage.PRESEND), int(Stage.POSTSEND))


class Level(msgspec.Struct, eq=False):
    """What waits at one level, and for whom.

    Attributes:
        shared: What the levels of its scope share.
        parent: The level in which `owner` was; None for the root.
        owner: The update whose level it is; None for the root.
        stage: The stage in progress; 0 for the root.
        depth: How many levels it is below the root.
        is_closed: True once its update has ended.
    """

    shared: Shared
    parent: Level | None = None
    owner: Any = None
    stage: int = 0
    depth: int = 0
    is_closed: bool = False
    _queues: tuple[StageQueue, StageQueue] | None = None
    _has_ties: bool = False

    def add(self, entry: Entry, stage: int) -> None:
        """Add `entry` for `stage`, or the stage in progress if that is later.

        If the level has ended meanwhile, the entry goes to the nearest that has not.

        Raises:
            Exception: What `merge` raised; the level is as before.
        """
        with self.shared.lock:
            if self.is_closed and self.parent is not None:
                self.parent.add(entry, stage)
                return
            if self._queues is None:
                check = self.shared.check_durable
                self._queues = (StageQueue(check), StageQueue(check))
            if entry.tie is not None:
                self._has_ties = True
            effective = self.stage if self.stage > stage else stage  # noqa: FURB136 - max() costs more
            self.shared.counts.merged += self._queues[effective - 1].add(entry)

    def move_up(self, active: int) -> int:
        """Move what is not ready to the parent: mergeables, and what is for a stage after `active`.

        Returns:
            How many were moved.

        Raises:
            Exception: What `merge` raised; that entry is gone.
        """
        moved = 0
        if self.parent is None or self._queues is None:
            return moved
        with self.shared.lock:
            for stage, queue in zip(_STAGES, self._queues, strict=True):
                for entry in queue.take(_is_any if stage > active else _is_mergeable):
                    self.parent.add(entry, stage)
                    moved += 1
        return moved

    def claim(self, stage: int, park: Callable[[Entry, Tie], None]) -> list[Entry]:
        """Take out what waits for `stage`, in the order in which it has to run.

        What is tied to an open transaction goes to `park`; what is tied to one that was rolled back is
        left out.

        Raises:
            Exception: What `merge` raised when an update whose transaction has committed was merged.
        """
        if self._queues is None:
            return []
        with self.shared.lock:
            queue = self._queues[stage - 1]
            if self._has_ties:
                self._untie(queue, park)
            return queue.claim()

    def _untie(self, queue: StageQueue, park: Callable[[Entry, Tie], None]) -> None:
        settled = StageQueue(self.shared.check_durable)
        try:
            for entry in queue.take(_is_any):
                tie = entry.tie
                if tie is not None and tie.is_waiting:
                    park(entry, tie)
                elif tie is None or not tie.is_dropped:
                    entry.tie = None
                    self.shared.counts.merged += settled.add(entry)
                else:
                    self.shared.counts.cancelled += 1
        finally:
            queue.put_back(settled.claim())

    def put_back(self, entries: Iterable[Entry], stage: int) -> None:
        """Put entries that were claimed for `stage` but not run before the others."""
        assert self._queues is not None
        with self.shared.lock:
            self._queues[stage - 1].put_back(entries)

    def take(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        """Take out those for which `wanted(entry)` is true, PRESEND first."""
        with self.shared.lock:
            return [entry for queue in self._queues or () for entry in queue.take(wanted)]

    def close_unused(self) -> bool:
        """End this level if nothing was ever added to it; tell whether nothing was."""
        lock = self.shared.lock  # `with` would cost twice as much, for each update
        lock.acquire()
        self.is_closed = is_unused = self._queues is None
        lock.release()
        return is_unused

    def close(self) -> None:
        """End this level; what it still holds moves up."""
        with self.shared.lock:
            self.is_closed = True
            if self._queues is not None and self.parent is not None:
                for stage, queue in zip(_STAGES, self._queues, strict=True):
                    for entry in queue.take(_is_any):
                        self.parent.add(entry, stage)

    def pending(self, stage: int) -> list[Entry]:
        """Return what waits for `stage`, or at all (0), in the order of adding."""
        with self.shared.lock:
            queues = self._queues or ()
            chosen = queues if stage == Stage.ALL else queues[stage - 1 : stage]
            return [entry for queue in chosen for entry in queue if not is_dropped(entry)]

    def __len__(self) -> int:
        """Return how many wait."""
        if self._has_ties:
            return len(self.pending(Stage.ALL))
        return sum(len(queue) for queue in self._queues or ())


def is_dropped(entry: Entry) -> bool:
    """Tell whether the transaction it was tied to has been rolled back."""
    return entry.tie is not None and entry.tie.is_dropped


def _is_any(_: Entry) -> bool:
    return True


def _is_mergeable(entry: Entry) -> bool:
    return isinstance(entry.update, MergeableUpdate)
