"""What readers get: the whole of a process at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import ErrorInfo
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from procactors.model.definition import Process
    from procactors.model.state import ProcessState


class Progress(msgspec.Struct, frozen=True):
    """How far the running step is, as it said itself.

    Attributes:
        done: How much is done.
        total: Of how much; None if it does not know.
        text: What it is doing.
    """

    done: float = 0
    total: float | None = None
    text: str = ""


class InterruptInfo(msgspec.Struct, frozen=True):
    """The question that a process waits for an answer to.

    Attributes:
        step: The step that asked.
        data: What the answer will be merged over.
        schema: JSON Schema of the answer; None: anything goes.
        deadline_at: When the process goes on (or ends) without an answer.
    """

    step: str
    data: Any = None
    schema: dict[str, Any] | None = None
    deadline_at: datetime | None = None


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A process as it stood when it was read.

    Attributes:
        pid: Its id.
        name: Name of its definition.
        key: The key it was started with.
        tags: The tags it was started with.
        priority: A larger one goes first.
        group: The group it was started in, for `max_per_group`.
        status: Where it stands.
        data: What the current or next step gets.
        output: What the last step returned, once finished.
        error: What went wrong, if it failed or timed out; also why a step is tried again.
        interrupt: The open question, while interrupted.
        steps: Each step's status, in order.
        step: Name of the current or next step; None when none is left.
        undone: Names of the steps whose compensations are over.
        undoing: Name of the step whose compensation is current or next; after an undo has failed, which.
        last_completed_step: Name of the last step that has a checkpoint.
        progress: How far the running step is.
        attempt: Number of the current or next attempt of that step.
        created_at: When it was stored (UTC).
        started_at: When it was first taken up.
        ended_at: When it ended.
        deadline_at: When it times out, while its time counts.
        due_at: When it is taken up again, while it is queued or sleeps.
        reason: Why it was cancelled, or is blocked.
        parent_pid: The process that started it.
        depth: How many ancestors it has.
        owner: Name of the manager that runs it now.
        seq: Number of its last event: `subscribe(pid, after=seq)` continues from here.
    """

    pid: str
    name: str
    key: str | None = None
    tags: tuple[str, ...] = ()
    priority: int = 0
    group: str | None = None
    status: ProcessStatus
    data: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    interrupt: InterruptInfo | None = None
    steps: dict[str, StepStatus]
    step: str | None = None
    undone: tuple[str, ...] = ()
    undoing: str | None = None
    last_completed_step: str | None = None
    progress: Progress | None = None
    attempt: int = 1
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    due_at: datetime | None = None
    reason: str = ""
    parent_pid: str | None = None
    depth: int = 0
    owner: str | None = None
    seq: int


def step_statuses(state: ProcessState, plan: Process) -> dict[str, StepStatus]:
    """Return each step's status, in order."""
    found: dict[str, StepStatus] = {}
    for index, name in enumerate(plan.steps):
        if index in state.skipped:
            found[name] = StepStatus.SKIPPED
        elif index < state.index:
            found[name] = StepStatus.COMPLETED
        elif index == state.index:
            found[name] = _of_current(state)
        else:
            found[name] = StepStatus.PENDING
    return found


def _of_current(state: ProcessState) -> StepStatus:
    if state.undo is not None:
        return StepStatus.FAILED if state.undo.attempt else StepStatus.PENDING
    if not state.attempt:
        return StepStatus.PENDING
    return StepStatus.FAILED if state.status.is_ended else StepStatus.RUNNING


def last_completed(state: ProcessState, plan: Process) -> str | None:
    """Return the name of the last step with a checkpoint."""
    done = [
        name for index, name in enumerate(plan.steps) if index < state.index and index not in state.skipped
    ]
    return done[-1] if done else None


class QueueInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes of one definition stand, all managers together.

    Attributes:
        name: The definition's name; None: all of them together.
        is_paused: Whether none of them is taken up now.
        counts: How many are alive, by their status.
        oldest_due_at: Since when the one waits for a slot that has waited longest; None: none waits.
        max_running: Its limit of that name, if it has one; the same for the next two.
    """

    name: str | None
    is_paused: bool
    counts: Mapping[ProcessStatus, int]
    oldest_due_at: datetime | None = None
    max_running: int | None = None
    max_per_group: int | None = None
    rate: tuple[int, float] | None = None
