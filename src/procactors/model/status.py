"""What a process, and each of its steps, can be."""

from __future__ import annotations

from enum import StrEnum
from typing import Never


class ProcessStatus(StrEnum):
    """Where a process stands. `procactors.model.state` alone decides how it moves from one to another."""

    QUEUED = "queued"
    """Ready to run; waits for a free slot of a manager."""
    RUNNING = "running"
    """A manager owns it and runs its steps."""
    WAITING = "waiting"
    """One of its steps waits for a child process."""
    SLEEPING = "sleeping"
    """Waits for a moment: a retry, a delay, a `Sleep`."""
    INTERRUPTED = "interrupted"
    """A step asked for an answer; `proceed` goes on."""
    BLOCKED = "blocked"
    """No manager can resolve its next step; deploy the step, `skip` or `rewind`."""
    CANCELLING = "cancelling"
    """Cancellation was asked for; no further step starts."""
    UNDOING = "undoing"
    """Its completed steps' compensations run, the last one first."""
    FINISHED = "finished"
    """Every step is completed or skipped; it has an output."""
    FAILED = "failed"
    """A step failed for good; it has an error."""
    TIMED_OUT = "timed_out"
    """It ran into its own deadline, or nobody answered its interrupt in time."""
    CANCELLED = "cancelled"
    """It ended because somebody cancelled it."""

    @classmethod
    def _missing_(cls, value: object) -> Never:
        problem = f"there is no status {value!r}: it is one of {', '.join(cls)}"
        raise ValueError(problem)

    @property
    def is_ended(self) -> bool:
        """True if nothing happens in it any more by itself."""
        return self in ENDED


ENDED = frozenset(
    {ProcessStatus.FINISHED, ProcessStatus.FAILED, ProcessStatus.TIMED_OUT, ProcessStatus.CANCELLED}
)


class StepStatus(StrEnum):
    """Where one step of a process stands."""

    PENDING = "pending"
    """Not begun."""
    RUNNING = "running"
    """Begun and not over; also while it waits for its next attempt."""
    COMPLETED = "completed"
    """Its output is checkpointed."""
    FAILED = "failed"
    """It failed and is not tried again by itself."""
    SKIPPED = "skipped"
    """It was skipped by hand."""
