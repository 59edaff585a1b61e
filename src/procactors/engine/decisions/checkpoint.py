"""A checkpoint that is committed by itself, before what follows it, because deferred work comes between.

Pure, as all decisions are; failures of deferred work are in the history, and change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.engine.decisions.advance import advance, onward
from procactors.model import event as e
from procactors.stores._record import Decision

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from procactors.model.definition import Process
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decide, Record


def up_to(plan: Process, state: ProcessState, decision: Decision) -> tuple[Decision, bool]:
    """Return what a decision says of a step up to its checkpoint, and whether steps or the end follow.

    Without a checkpoint in it, that is nothing.
    """
    events = decision.events
    for index, event in enumerate(events, 1):
        if isinstance(event, e.UndoFinished):
            return decision, False
        if isinstance(event, e.StepFinished):
            leads_on = isinstance(events[index], e.StepStarted | e.ProcessFinished)
            return advance(plan, state, *events[:index]), leads_on
    return Decision((), state), False


def what_follows(
    plan: Process,
    state: ProcessState,
    data: msgspec.Raw,
    at: datetime,
    failures: tuple[e.DeferredUpdateFailed, ...],
) -> Decision:
    """Decide what comes after a checkpoint that was committed by itself; `data` is the step's output."""
    return advance(plan, state, *failures, *onward(plan, state, data, at))


def note(failure: e.DeferredUpdateFailed) -> Decide:
    """Decide to note in a free process's history that an update failed; None if it has ended."""

    def decide(record: Record, _now: float) -> Decision | None:
        if record.state.status.is_ended:
            return None
        return advance(record.plan, record.state, failure)

    return decide
