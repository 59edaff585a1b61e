"""Undo: the compensations of completed steps, the last one first; then the end that was due.

Between two compensations the process is free and due, before anything that was queued after it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model import event as e
from procactors.model.rules.changes import ALIVE, FRESH_STEP, require
from procactors.model.status import ProcessStatus as S
from procactors.model.undo import Undo

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _undoing(state: ProcessState, event: e.ProcessUndoing, _plan: Process) -> Changes:
    require(state.undo is None, "it is being undone already")
    error_seq = state.seq + 1 if event.error else 0
    undo = Undo(
        end=S(event.end),
        reason=event.reason,
        error_seq=error_seq,
        data_seq=state.data_seq,
        attempt=state.attempt,
        next_attempt=state.next_attempt,
    )
    return {
        **due(state, undo, state.undoable),
        "deadline_at": None,
        "remaining_s": None,
        "interrupt_seq": 0,
        "undo": undo,
    }


def due(state: ProcessState, undo: Undo, undoable: tuple[tuple[int, int], ...]) -> Changes:
    """Free, and due for the next compensation, whose input is its step's output."""
    return {
        **FRESH_STEP,
        "status": S.UNDOING,
        "due_at": state.started_at,
        "ended_at": 0,
        "reason": undo.reason,
        "error_seq": undo.error_seq,
        "undoable": undoable,
        "data_seq": undoable[-1][1] if undoable else undo.data_seq,
    }


def _started(state: ProcessState, event: e.UndoStarted, plan: Process) -> Changes:
    require(not state.in_step, "an undo is running")
    require_next(state, event.step, plan)
    require(event.attempt == state.next_attempt, f"attempt {state.next_attempt} is next")
    return {"in_step": True, "attempt": event.attempt, "next_attempt": event.attempt + 1}


def _finished(state: ProcessState, event: e.UndoFinished, plan: Process) -> Changes:
    require(state.in_step, "no undo is running")
    require_next(state, event.step, plan)
    assert state.undo is not None
    *rest, (index, _) = state.undoable
    return {**due(state, state.undo, tuple(rest)), "undone": (*state.undone, index)}


def _failed(state: ProcessState, event: e.UndoFailed, plan: Process) -> Changes:
    require(state.in_step, "no undo is running")
    require_next(state, event.step, plan)
    return {
        "in_step": False,
        "failures": state.failures + event.counts,
        "next_attempt": state.attempt + event.counts,
        "due_at": event.due_at.timestamp() if event.due_at else None,
    }


def require_next(state: ProcessState, step: str, plan: Process) -> None:
    """Refuse an event of a step that is not the next one to undo."""
    following = plan.names[state.undoable[-1][0]] if state.undoable else None
    require(step == following, f"the step to undo is {following!r}, not {step!r}")


RULES: Rules = {
    e.ProcessUndoing: ((*ALIVE, S.CANCELLING), _undoing),
    e.UndoStarted: ((S.UNDOING,), _started),
    e.UndoFinished: ((S.UNDOING,), _finished),
    e.UndoFailed: ((S.UNDOING,), _failed),
}
