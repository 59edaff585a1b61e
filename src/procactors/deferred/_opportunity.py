"""When a queue may run by itself: MediaWiki's command-line mode.

Somebody who schedules the queue is woken whenever there may be something to do. Whether it may be
done is asked then, by `try_opportunistic_run`; what is in the way (a transaction) wakes again when it
is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procactors.deferred._runner import log_lost
from procactors.deferred._stage import Stage
from procactors.deferred._updates import EnqueueableUpdate
from procactors.deferred._wake import Wake

if TYPE_CHECKING:
    from procactors.deferred._level import Level
    from procactors.deferred._queue import DeferredUpdates
    from procactors.deferred._rounds import Entry
    from procactors.deferred._shared import Shared


class Opportunity(msgspec.Struct):
    """Who is to be woken for one queue, and what is in the way.

    Attributes:
        wake: Who is to be woken; None: nobody.
        prevented: How many `prevent_opportunistic()` blocks are open.
        is_missed: True if a run was refused because another was under way.
    """

    wake: Wake | None = None
    prevented: int = 0
    is_missed: bool = False
    _watches: bool = False

    def rouse(self, updates: DeferredUpdates) -> None:
        """Wake whoever schedules the queue, if anybody does."""
        if self.wake is not None:
            self.wake(updates)

    def make_up(self, updates: DeferredUpdates) -> None:
        """Wake if a run was refused because of the one that is over now."""
        if self.is_missed:
            self.is_missed = False
            self.rouse(updates)

    def watch(self, updates: DeferredUpdates, shared: Shared) -> None:
        """Wake when the transaction that is open now has committed."""
        if self.wake is None or self._watches:
            return
        self._watches = True

        def unblocked(committed: bool) -> None:  # noqa: FBT001 - a callback gets it by position
            self._watches = False
            if committed:
                self.rouse(updates)

        shared.round.when_resolved(unblocked)


async def enqueue_big(root: Level, shared: Shared) -> None:
    """Hand all updates that can become processes on, PRESEND first.

    Raises:
        Exception: What making a process raised: that update and those after it are lost, logged. Or
            what handing it on raised: they stay in the queue.

    Cancellation: those that were not handed on stay in the queue.
    """
    entries = root.take(_is_enqueueable)
    for index, entry in enumerate(entries):
        try:
            made = entry.update.as_process()
        except Exception:
            log_lost(entries[index:], "an error ended the handing on of a big queue")
            raise
        try:
            await shared.enqueue_made(*made)
        except BaseException:
            root.put_back(entries[index:], Stage.POSTSEND)
            raise


def _is_enqueueable(entry: Entry) -> bool:
    return isinstance(entry.update, EnqueueableUpdate) and entry.tie is None
