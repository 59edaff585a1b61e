"""What the rules have in common: the shape of a rule, changes that several make, shared conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidStateError
from procactors.model.status import ProcessStatus as S

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.state import ProcessState

Changes = dict[str, Any]
"""Fields of the state, and what they become."""

Rule = tuple[tuple[S, ...], Callable[..., Changes]]
"""In which statuses an event is allowed, and what it changes: `(state, event, plan) -> changes`."""

Rules = dict[type, Rule]

FREE = (S.QUEUED, S.SLEEPING, S.INTERRUPTED, S.BLOCKED)
ALIVE = (S.RUNNING, S.WAITING, *FREE)

FRESH_STEP: Changes = {"in_step": False, "attempt": 0, "next_attempt": 1, "failures": 0, "crashes": 0}


def taken_up(state: ProcessState, event: Any) -> Changes:
    """Begin to count time, unless it counts already, or the process is only undone."""
    if state.undo is not None:
        return {"status": S.UNDOING, "due_at": None, "reason": state.undo.reason}
    changes: Changes = {"status": S.RUNNING, "due_at": None, "reason": ""}
    if state.remaining_s is not None:
        changes["deadline_at"] = event.at.timestamp() + state.remaining_s
        changes["remaining_s"] = None
    return changes


def set_aside(state: ProcessState, event: Any, status: S) -> Changes:
    """Stop counting time."""
    changes: Changes = {"status": status, "due_at": None}
    if state.deadline_at is not None:
        changes["remaining_s"] = max(0.0, state.deadline_at - event.at.timestamp())
        changes["deadline_at"] = None
    return changes


def queued_anew(_state: ProcessState, event: Any, plan: Process) -> Changes:
    """Ready to run, with the whole timeout before it."""
    return {
        "status": S.QUEUED,
        "due_at": event.at.timestamp(),
        "deadline_at": None,
        "remaining_s": plan.timeout,
        "ended_at": 0,
        "reason": "",
    }


def ended(event: Any, status: S, **more: Any) -> Changes:
    """Nothing happens any more by itself."""
    return {
        "status": status,
        "in_step": False,
        "due_at": None,
        "deadline_at": None,
        "remaining_s": None,
        "ended_at": event.at.timestamp(),
        **more,
    }


def require(holds: bool, reason: str) -> None:  # noqa: FBT001 - it reads as a sentence
    """Refuse the event, with the reason, unless the condition holds."""
    if not holds:
        raise InvalidStateError(reason)


def require_current(state: ProcessState, step: str, plan: Process) -> None:
    """Refuse an event of a step that is not the current one."""
    current = plan.names[state.index] if state.index < len(plan.names) else None
    if current != step:
        raise InvalidStateError(f"the current step is {current!r}, not {step!r}")


def require_running(state: ProcessState, step: str, plan: Process) -> None:
    """Refuse an event of a step that is not running."""
    if not state.in_step:
        raise InvalidStateError(f"step {step!r} is not running")
    require_current(state, step, plan)
