"""The end of a step: its checkpoint or its failure, and what follows, decided and committed.

If it has deferred work for after its checkpoint, the checkpoint is committed by itself, and what follows
when that work is done. The process's actor, who waits for it, says when to go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procactors.engine.decisions import checkpoint, stepping, taking, undoing
from procactors.executors._executor import Raised, Returned
from procactors.executors.failure import failure_of
from procactors.executors.output import output_of
from procactors.model import event as e
from procactors.model.state import running_step
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.attempt import Attempt
    from procactors.engine.journal import Journal
    from procactors.engine.room import Room
    from procactors.executors._executor import StepOutcome
    from procactors.model.definition import Process
    from procactors.stores._record import Decision


class StepEnds:
    """Commits the ends of one process's steps.

    Attributes:
        data: What the current or next step gets.
        is_releasing: True if no further step may begin here.
    """

    __slots__ = ("_journal", "_plan", "_room", "data", "is_releasing")

    def __init__(self, room: Room, plan: Process, journal: Journal) -> None:
        """Write into `journal`."""
        self._room = room
        self._plan = plan
        self._journal = journal
        self.data = msgspec.Raw(b"null")
        self.is_releasing = False

    async def commit(self, outcome: StepOutcome, attempt: Attempt, *, waits: bool = True) -> bool:
        """Commit the end of an attempt, and what follows unless deferred work comes between.

        Returns:
            True if what it has deferred is to be run now, and `go_on` to be called after it. If the caller
            does not wait, or the process pauses here, the scheduler has it.
        """
        if attempt.deferral.updates is None and not attempt.guests and attempt.within is None:
            await self._journal.commit(self._decided(outcome))
            return False
        try:
            return await self._commit_beside(outcome, attempt, waits=waits)
        finally:
            attempt.leave_transaction()

    async def _commit_beside(self, outcome: StepOutcome, attempt: Attempt, *, waits: bool) -> bool:
        """Commit the end of an attempt together with what it wants written beside it."""
        deferral = attempt.deferral
        decision = self._decided(outcome, deferral.take_failures())
        ended, leads_on = checkpoint.up_to(self._plan, self._journal.state, decision)
        if not ended.events:
            deferral.drop("its step failed")
        waits = waits and leads_on and deferral.has_more
        beside = b.Beside(deferral.rows, attempt.guests, attempt.within) if ended.events else b.NOTHING
        refusal = await self._journal.commit(ended if waits else decision, beside=beside)
        if refusal is not None:
            deferral.drop("its step failed")
            await self._journal.commit(self._decided(Raised(refusal)))
            return False
        if waits and not self._journal.is_over:
            return True
        deferral.leave()
        return False

    async def go_on(self, failures: tuple[e.DeferredUpdateFailed, ...] = ()) -> None:
        """Commit what follows a checkpoint that was committed by itself."""
        state, at = self._journal.state, self._room.at()
        after = checkpoint.what_follows(self._plan, state, self.data, at, failures)
        await self._journal.commit(self._or_released(after))

    def _decided(self, outcome: StepOutcome, failures: tuple[e.DeferredUpdateFailed, ...] = ()) -> Decision:
        """Return what the end of a step leads to; `failures` are those of what it has deferred."""
        state, at, limit_bytes = self._journal.state, self._room.at(), self._room.options.payload_limit_bytes
        step = running_step(state, self._plan)
        error: BaseException
        if isinstance(outcome, Returned):
            try:
                output = output_of(undoing.answer_of(state, outcome.value), step, limit_bytes)
                decision = stepping.after_success(
                    self._plan, state, output.data, output.question, at, failures
                )
            except Exception as refusal:  # noqa: BLE001 - an output that can't be stored fails the step
                error = refusal
            else:
                self.data = output.data
                return self._or_released(decision)
        else:
            assert isinstance(outcome, Raised)
            error = outcome.error
        failure = failure_of(error, step.name, state.attempt)
        draw = self._room.ids.random.random()
        return stepping.after_failure(self._plan, state, failure, at, draw)

    def _or_released(self, decision: Decision) -> Decision:
        """Release instead of beginning another step, if this manager is closing or can't run it."""
        if not isinstance(decision.events[-1], e.StepStarted):
            return decision
        step, catalog = self._plan.steps[decision.events[-1].step], self._room.catalog
        if not self.is_releasing and (catalog.knows(step) or catalog.can_run(step)):
            return decision
        return taking.held_back(self._plan, self._journal.state, decision, self._room.at())
