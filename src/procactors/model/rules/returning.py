"""Going back by hand: a step is skipped, or run again, alone or with those after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model import event as e
from procactors.model.rules.changes import FREE, FRESH_STEP, queued_anew, require, require_current
from procactors.model.rules.undoing import due, require_next
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _step_skipped(state: ProcessState, event: e.StepSkipped, plan: Process) -> Changes:
    if state.undo is not None:
        require_next(state, event.step, plan)
        return due(state, state.undo, state.undoable[:-1])
    require(not state.undone, "its steps were undone")
    require_current(state, event.step, plan)
    return {
        **queued_anew(state, event, plan),
        **FRESH_STEP,
        "skipped": (*state.skipped, state.index),
        "index": state.index + 1,
    }


def _retried(state: ProcessState, event: e.ProcessRetried, plan: Process) -> Changes:
    if state.undo is not None:
        require_next(state, event.step, plan)
        return {**due(state, state.undo, state.undoable), "next_attempt": state.next_attempt}
    require(not state.undone, "its steps were undone")
    require_current(state, event.step, plan)
    return {**queued_anew(state, event, plan), "failures": 0, "crashes": 0}


def _rewound(state: ProcessState, event: e.ProcessRewound, plan: Process) -> Changes:
    index = plan.names.index(event.step)
    require(all(i >= index for i in state.undone), "a step before it was undone")
    return {
        **queued_anew(state, event, plan),
        **FRESH_STEP,
        "index": index,
        "data_seq": event.data_seq,
        "interrupt_seq": 0,
        "rewound_seq": state.seq + 1 if index < state.index else state.rewound_seq,
        "undone": (),
        "undo": None,
        "skipped": tuple(i for i in state.skipped if i < index),
    }


RULES: Rules = {
    e.StepSkipped: ((S.BLOCKED, S.FAILED), _step_skipped),
    e.ProcessRetried: ((S.FAILED, S.TIMED_OUT), _retried),
    e.ProcessRewound: ((*FREE, S.UNDOING, S.FINISHED, S.FAILED, S.TIMED_OUT, S.CANCELLED), _rewound),
}
