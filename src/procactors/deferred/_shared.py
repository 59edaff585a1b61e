"""What the levels and the runs of one scope share.

It refers to no level and no queue, so that a scope that nobody uses any more is gone at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.deferred._attempt import TransactionRound
from procactors.deferred._report import Counts
from procactors.deferred._rounds import Entry
from procactors.deferred._transactions import called
from procactors.deferred._updates import settled
from procactors.errors import DeferredError

if TYPE_CHECKING:
    from procactors.deferred._updates import EnqueueableUpdate


class Shared(msgspec.Struct, eq=False):
    """The state of a scope beside its queues, and its ways out.

    Attributes:
        round: The transaction round of the scope.
        lock: Guards the queues of all levels: updates may be added from any thread.
        counts: What came of the updates.
        parked: Updates whose turn came while the transaction they are tied to was open.
        interrupted: Updates whose run was cancelled.
        on_failure: Hears of each update that failed, with its origin.
        failures: How many have failed since it was last asked for, by their origins; None: none.
    """

    round: TransactionRound
    lock: Any
    _enqueue: Callable[[Any, Any], Any] | None
    _keep: Callable[[Any], Any] | None
    _check: Callable[[Any], None] | None
    _presentable: Callable[[Exception], bool] | None
    counts: Counts
    parked: dict[Entry, None] = msgspec.field(default_factory=dict)
    interrupted: list[Entry] = msgspec.field(default_factory=list)
    on_failure: Callable[[Any, str, Exception], None] | None = None
    failures: Counter[str] | None = None

    def is_presentable(self, error: Exception) -> bool:
        """Tell whether `error` is one that a client may be shown."""
        return self._presentable is not None and self._presentable(error)

    def report_failure(self, entry: Entry, error: Exception) -> None:
        """Count that an update failed, and tell whoever wants to hear of it."""
        origin = str(entry.origin)
        self.failures = self.failures or Counter()
        self.failures[origin] += 1
        if self.on_failure is not None:
            self.on_failure(entry.update, origin, error)

    @property
    def can_enqueue(self) -> bool:
        """True if there is somebody who takes processes."""
        return self._enqueue is not None

    def check_durable(self, update: Any) -> None:
        """Refuse an update that can't be durable.

        Raises:
            DeferredError: There is nobody who keeps durable updates.
            Exception: What whoever keeps them has against this one.
        """
        self._require_keeper()
        if self._check is not None:
            self._check(update)

    def _require_keeper(self) -> None:
        if self._keep is None:
            problem = (
                "durable=True needs a process manager, and this scope has"
                " none; give it one, deferred_scope(manager) or DeferredMiddleware(app, manager)"
            )
            raise DeferredError(problem)

    async def enqueue(self, update: EnqueueableUpdate) -> None:
        """Hand `update` on as a process.

        Raises:
            Exception: What making or handing on the process raised.
        """
        process, data = update.as_process()
        await self.enqueue_made(process, data)

    async def enqueue_made(self, process: Any, data: Any) -> None:
        """Hand a process on."""
        if self._enqueue is None:
            problem = "there is no manager and no enqueue=... that a process could be handed to"
            raise DeferredError(problem)
        await called(self._enqueue, process, data)
        self.counts.enqueued += 1

    async def keep(self, update: Any) -> None:
        """Have `update` kept, durably, for a process to do, unless a rollback has cancelled it."""
        self._require_keeper()
        if settled(update):
            return
        assert self._keep is not None
        await called(self._keep, update)
        self.counts.enqueued += 1
