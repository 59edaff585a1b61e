"""Runs what waits in a level: the rules of order, nesting and failure.

Within a run each update gets a level of its own. When it has ended, what it left there runs too,
before its siblings, and that without levels of their own: what such a sub-update adds joins the end
of the same queue. A failure is logged, rolled back and counted; it never stops the others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from procactors.deferred._current import CURRENT
from procactors.deferred._level import Level, is_dropped
from procactors.deferred._stage import Stage
from procactors.deferred._updates import EnqueueableUpdate

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from procactors.deferred._current import Place
    from procactors.deferred._parking import Parking
    from procactors.deferred._queue import DeferredUpdates
    from procactors.deferred._rounds import Entry
    from procactors.deferred._shared import Shared
    from procactors.deferred._tie import Tie

_log = logging.getLogger("procactors.deferred")

_UPDATES_PER_CHECKPOINT = 64
"""Updates run before other tasks of the loop get their turn, if the updates themselves never wait."""
_ROLLBACK_PATIENCE_S = 10.0
"""How long the rollback of an update that was cancelled may take."""
_REASON = "an error ended the run before its turn"


class Run:
    """One call of `DeferredUpdates.run`."""

    __slots__ = ("_outer", "_parking", "_shared", "_turns", "_updates", "presentable")

    def __init__(self, updates: DeferredUpdates, shared: Shared, parking: Parking) -> None:
        """Run what waits in a level of `updates`; `parking` gets what has to wait for its transaction."""
        self._outer = CURRENT.get()
        self.presentable: Exception | None = None
        """The first error that a client may be shown."""
        self._updates = updates
        self._shared = shared
        self._parking = parking
        self._turns = 0

    async def process(self, level: Level, stage: int, *, nested: bool = False) -> None:
        """Run what waits in `level` up to `stage`, until nothing is left and nothing comes up.

        Args:
            level: The level.
            stage: A stage; 0 for all.
            nested: True if the updates run without levels of their own.
        """
        active = int(Stage.POSTSEND) if stage == Stage.ALL else max(stage, level.stage)
        while True:
            processed = level.move_up(active)
            for queue_stage in range(Stage.PRESEND, active + 1):
                while claimed := level.claim(queue_stage, self._park):
                    processed += len(claimed)
                    await self._run_round(claimed, level, queue_stage, active, nested=nested)
            if not processed:
                return

    def _park(self, entry: Entry, tie: Tie) -> None:
        self._parking.park(entry, tie, self._updates)

    async def _run_round(
        self, claimed: list[Entry], level: Level, stage: int, active: int, *, nested: bool
    ) -> None:
        place = (self._updates, level, self._outer)
        claimed.reverse()
        try:
            while claimed:
                entry = claimed.pop()  # what has run is let go of
                rest = self._start(entry, place) if nested else self._start_in_own_level(entry, level, active)
                if rest is not None:
                    await rest
                self._turns += 1
                if self._turns == _UPDATES_PER_CHECKPOINT:
                    self._turns = 0
                    await checkpoint()
        except Exception:
            log_lost(reversed(claimed), _REASON)
            raise
        except BaseException:
            level.put_back(reversed(claimed), stage)
            raise

    # An update that never waits costs no coroutine: what is started here is awaited only if need be.

    def _start_in_own_level(
        self, entry: Entry, parent: Level, active: int
    ) -> Coroutine[Any, Any, None] | None:
        level = Level(self._shared, parent, entry.update, active, parent.depth + 1)
        place = (self._updates, level, self._outer)
        rest = self._start(entry, place)
        if rest is None and level.close_unused():
            return None
        return self._finish_level(place, rest, active)

    async def _finish_level(self, place: Place, rest: Coroutine[Any, Any, None] | None, active: int) -> None:
        level = place[1]
        token = CURRENT.set(place)
        try:
            if rest is not None:
                await rest
            if not level.close_unused():
                await self.process(level, active, nested=True)
        except Exception:
            log_lost(level.take(lambda left: not is_dropped(left)), _REASON)
            raise
        finally:
            CURRENT.reset(token)
            level.close()

    def _start(self, entry: Entry, place: Place) -> Coroutine[Any, Any, None] | None:
        shared = self._shared
        if entry.durable:
            return self._finish(entry, shared.keep(entry.update))
        try:
            rest = shared.round.start(entry.update, entry.context, place)
        except Exception as error:  # noqa: BLE001 - a failure is isolated, whatever it is
            return self._failed(entry, error)
        except BaseException as error:  # noqa: BLE001 - it is raised again after the rollback
            return self._interrupted(entry, error)
        if rest is not None:
            return self._finish(entry, rest)
        self._done(entry)
        return None

    async def _finish(self, entry: Entry, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        except Exception as error:  # noqa: BLE001 - a failure is isolated, whatever it is
            await self._failed(entry, error)
        except BaseException as error:  # noqa: BLE001 - it is raised again after the rollback
            await self._interrupted(entry, error)
        else:
            self._done(entry)

    def _done(self, entry: Entry) -> None:
        if getattr(entry.update, "is_cancelled", False):
            self._shared.counts.cancelled += 1
            _log.debug("%s was cancelled by a rollback", entry, extra=_extra(entry, "cancelled"))
        elif not entry.durable:
            self._shared.counts.ran += 1

    async def _failed(self, entry: Entry, error: Exception) -> None:
        shared = self._shared
        shared.counts.failed += 1
        if self.presentable is None and shared.is_presentable(error):
            self.presentable = error
        log_failure(entry, "keep" if entry.durable else "run", error)
        shared.report_failure(entry, error)
        if entry.durable:
            return
        await self._rollback(entry)
        if isinstance(entry.update, EnqueueableUpdate) and shared.can_enqueue:
            try:
                await shared.enqueue(entry.update)
            except Exception as failure:  # noqa: BLE001 - a failure is isolated, whatever it is
                log_failure(entry, "enqueue", failure)
                await self._rollback(entry)

    async def _rollback(self, entry: Entry) -> None:
        try:
            await self._shared.round.rollback()
        except Exception as error:  # noqa: BLE001 - the other updates must get their turn
            log_failure(entry, "rollback", error)

    async def _interrupted(self, entry: Entry, error: BaseException) -> None:
        """Roll back an update that was cancelled in the middle, remember it as left over, and raise."""
        self._shared.counts.failed += 1
        self._shared.interrupted.append(entry)
        _log.warning("%s is cut off and rolled back", entry, extra=_extra(entry, "interrupted"))
        with anyio.CancelScope(shield=True), anyio.move_on_after(_ROLLBACK_PATIENCE_S):
            await self._rollback(entry)
        raise error


def log_failure(entry: Entry, phase: str, error: BaseException) -> None:
    """Log that an update failed: in `phase` "run", "enqueue", "keep" or "rollback"."""
    _log.warning("%s failed to %s", entry, phase, exc_info=error, extra=_extra(entry, phase))


def log_lost(entries: Iterable[Entry], reason: str) -> None:
    """Log updates that will never run."""
    for entry in entries:
        _log.warning("%s is dropped: %s", entry, reason, extra=_extra(entry, "lost"))


def _extra(entry: Entry, phase: str) -> dict[str, Any]:
    return {"deferred_update": entry.update, "deferred_phase": phase}
