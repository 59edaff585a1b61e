"""Who runs a process: it is started, given back, lost with its manager, and taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model import event as e
from procactors.model.rules.changes import require, set_aside, taken_up
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.rules.changes import Changes, Rules
    from procactors.model.state import ProcessState


def _started(state: ProcessState, event: e.ProcessStarted, _plan: Process) -> Changes:
    require(not state.started_at, "it has started already")
    return {**taken_up(state, event), "started_at": event.at.timestamp()}


def _resumed(state: ProcessState, event: e.ProcessResumed, _plan: Process) -> Changes:
    require(bool(state.started_at), "it has never started")
    return taken_up(state, event)


def _released(state: ProcessState, event: e.ProcessReleased, _plan: Process) -> Changes:
    again = state.attempt if state.in_step else state.next_attempt
    undoes = state.undo is not None
    changes = set_aside(state, event, S.UNDOING if undoes else S.QUEUED)
    due_at = state.started_at if undoes else event.at.timestamp()
    return {**changes, "due_at": due_at, "in_step": False, "next_attempt": again}


def _recovered(state: ProcessState, event: e.ProcessRecovered, _plan: Process) -> Changes:
    status = state.status if state.status in {S.CANCELLING, S.UNDOING} else S.QUEUED
    crashes = state.crashes + 1
    return {"status": status, "due_at": event.at.timestamp(), "in_step": False, "crashes": crashes}


RULES: Rules = {
    e.ProcessStarted: ((S.QUEUED, S.SLEEPING, S.BLOCKED), _started),
    e.ProcessResumed: ((S.QUEUED, S.SLEEPING, S.BLOCKED, S.WAITING, S.UNDOING), _resumed),
    e.ProcessReleased: ((S.RUNNING, S.WAITING, S.SLEEPING, S.UNDOING), _released),
    e.ProcessRecovered: ((S.RUNNING, S.WAITING, S.SLEEPING, S.CANCELLING, S.UNDOING), _recovered),
}
