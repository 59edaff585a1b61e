"""What a step defers: PRESEND before its checkpoint, durable updates in its commit, POSTSEND after it.

Failures don't fail the step. They are logged, and are events of the process as long as it can have any:
those of PRESEND come with the checkpoint, those of POSTSEND before what follows it. The next step, or the
end of the process, waits for POSTSEND, unless somebody wants something more urgent of the process; then,
and after an interrupt, POSTSEND is the scheduler's alone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from procactors.deferred import DeferredUpdates, LazyScope, Report, Stage
from procactors.engine.decisions import checkpoint
from procactors.engine.messages import Write
from procactors.engine.updates import Keeper, row_of
from procactors.errors import ActorError, NoDeferredScopeError
from procactors.executors.failure import error_info
from procactors.model.event import DeferredUpdateFailed
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.room import Room

_log = logging.getLogger("procactors.deferred")


class Deferral(LazyScope):
    """The scope of one attempt of a step.

    Attributes:
        rows: Processes to be stored with the checkpoint: the durable updates.
    """

    rows: tuple[b.Insert, ...] = ()
    _failures: tuple[DeferredUpdateFailed, ...] = ()
    _is_left = False

    def __init__(self, room: Room, pid: str, step: str, attempt: int) -> None:
        """Make the scope of that attempt."""
        self._room = room
        self._pid = pid
        self._step = step
        self._attempt = attempt

    def make(self) -> DeferredUpdates:
        """Make the queue."""
        return DeferredUpdates(manager=Keeper(self._room), on_failure=self._note)

    def late(self, _updates: DeferredUpdates) -> None:
        """Refuse: nobody looks after this step any more."""
        problem = f"step {self._step!r} of process {self._pid} is over: nothing more can be deferred in it"
        raise NoDeferredScopeError(problem)

    @property
    def has_more(self) -> bool:
        """True if something waits for POSTSEND."""
        return self.updates is not None and self.updates.pending_count() > 0

    def take_failures(self) -> tuple[DeferredUpdateFailed, ...]:
        """Return the failures that are not in the history yet; the caller puts them there."""
        failures, self._failures = self._failures, ()
        return failures

    async def before_checkpoint(self, updates: DeferredUpdates) -> None:
        """Run PRESEND, and make the rows of durable updates.

        Raises:
            InvalidDefinitionError: An update that is to be durable can't be.
            InvalidDataError: Its arguments can't be stored.

        Cancellation: the update in progress is rolled back.
        """
        report: Report | None = None
        try:
            report = await updates.run(Stage.PRESEND)
        except Exception as error:  # noqa: BLE001 - a failure to merge fails no step
            self._broke(error)
        finally:
            self._room.deferred.note(updates, report)
        self.rows = tuple(row_of(self._room, update) for update in updates.take_durable())

    async def after_checkpoint(self, updates: DeferredUpdates) -> None:
        """Have POSTSEND run, and wait for it. Cancellation: it goes on."""
        try:
            await self._room.deferred.run(updates, Stage.POSTSEND)
        except ActorError as error:
            _log.warning("what step %r of process %s deferred is left: %s", self._step, self._pid, error)
        except Exception as error:  # noqa: BLE001 - a failure to merge fails no step
            self._broke(error)
        finally:
            self.leave()

    def leave(self) -> None:
        """Leave what waits, or is still to come, to the scheduler."""
        updates = self.end()
        if updates is None:
            return
        self._is_left = True
        try:
            self._room.deferred.follow(updates)
            if updates.pending_count():
                self._room.deferred.submit(updates)
        except NoDeferredScopeError:
            updates.close()
            updates.discard("its manager was closed before it had run", even_always=True)

    def drop(self, reason: str) -> None:
        """Drop what waits, but for what is always to be run; log it by its origin."""
        self.rows = ()
        if self.updates is not None:
            self.updates.discard(reason)
            self.leave()

    def _broke(self, error: Exception) -> None:
        _log.warning(
            "a run of what step %r of process %s deferred broke", self._step, self._pid, exc_info=error
        )
        self._note(None, f"step {self._step!r}", error)

    def _note(self, _update: Any, origin: str, error: Exception) -> None:
        info = error_info(error, self._step, self._attempt)
        failure = DeferredUpdateFailed(
            at=self._room.at(), step=self._step, attempt=self._attempt, origin=origin, error=info
        )
        if not self._is_left:
            self._failures += (failure,)
            return
        try:
            self._room.persistence.tell(Write(b.Change(self._pid, checkpoint.note(failure))))
        except ActorError as refusal:
            _log.info("the failure is not in the history of process %s: %s", self._pid, refusal)
