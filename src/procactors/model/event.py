"""The facts in a process's history: one tagged union of frozen structs.

An event is named by a past participle, because it has happened: what is decided is in the event, and
`procactors.model.state` folds events into the state. Stored as JSON with the class's name as its type;
readers ignore types that they don't know, so that an older program can read a newer one's history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import msgspec

from procactors.errors import ErrorInfo


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, tag_field="type", gc=False
):
    pid: str = ""
    seq: int = 0
    position: int = 0
    at: datetime


class _StepEvent(_Event, frozen=True, kw_only=True, gc=False):
    step: str
    attempt: int = 1


class ProcessQueued(_Event, frozen=True, kw_only=True):
    """The process is stored, with its plan and its input, and waits for a slot.

    A fork begins at `step`, and names the process that it was `forked_from`. `trace` is the W3C traceparent
    of who started it.
    """

    name: str
    definition: Any
    data: Any = None
    key: str | None = None
    tags: tuple[str, ...] = ()
    priority: int = 0
    parent_pid: str | None = None
    depth: int = 0
    step: str | None = None
    forked_from: str | None = None
    group: str | None = None
    trace: str | None = None


class ProcessStarted(_Event, frozen=True, kw_only=True):
    """A manager took it up for the first time."""

    owner: str = ""


class ProcessReleased(_Event, frozen=True, kw_only=True):
    """Its manager gave it back, as it was told to stop; this costs no attempt."""


class ProcessRecovered(_Event, frozen=True, kw_only=True):
    """Its manager died; it goes on from its last checkpoint."""

    owner: str = ""
    reason: str = ""


class StepStarted(_StepEvent, frozen=True, kw_only=True, gc=False):
    """An attempt of a step begins after this is stored."""


class StepProgressed(_StepEvent, frozen=True, kw_only=True, gc=False):
    """How far a running step is. Not history: only the newest is kept, under its predecessor's seq."""

    done: float = 0
    total: float | None = None
    text: str = ""


class StepFinished(_StepEvent, frozen=True, kw_only=True):
    """The checkpoint: the step is over for good, and this is its output."""

    output: Any = None
    payload_seq: int = 0


class StepFailed(_StepEvent, frozen=True, kw_only=True):
    """An attempt of a step failed."""

    error: ErrorInfo
    counts: bool = True


class StepRetryScheduled(_StepEvent, frozen=True, kw_only=True):
    """The step is tried again at `due_at`, as attempt number `attempt`."""

    due_at: datetime


class StepSkipped(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The step was skipped by hand; its input goes to the next one unchanged."""


class ProcessInterrupted(_Event, frozen=True, kw_only=True):
    """The process waits for an answer, after the checkpoint of `step`."""

    step: str
    data: Any = None
    schema: dict[str, Any] | None = None
    schema_type: str | None = None
    deadline_at: datetime | None = None
    on_timeout: Any = None
    payload_seq: int = 0


class ProcessProceeded(_Event, frozen=True, kw_only=True):
    """The answer came; `data` is the merged input of the next step."""

    data: Any = None
    timed_out: bool = False


class ProcessWaiting(_Event, frozen=True, kw_only=True):
    """The step waits for its children."""

    step: str


class ProcessSleeping(_Event, frozen=True, kw_only=True):
    """The process sleeps until `due_at`; this does not count towards its timeout."""

    due_at: datetime
    step: str | None = None


class ProcessResumed(_Event, frozen=True, kw_only=True):
    """A manager took it up again."""

    owner: str = ""


class ProcessBlocked(_Event, frozen=True, kw_only=True):
    """No manager can resolve its next step."""

    step: str
    reason: str = ""


class DeadlineExtended(_Event, frozen=True, kw_only=True):
    """Its queue was paused for so many seconds, which do not count towards its timeout."""

    seconds: float


class ProcessCancelRequested(_Event, frozen=True, kw_only=True):
    """Somebody wants it to end; no further step starts."""

    reason: str = ""


class ProcessRewound(_Event, frozen=True, kw_only=True):
    """It goes back to `step`, with the input that step had."""

    step: str
    data_seq: int


class ProcessRetried(_Event, frozen=True, kw_only=True):
    """It had failed and goes on from its failed step."""

    step: str


class ProcessUndoing(_Event, frozen=True, kw_only=True):
    """It will end as `end` says; before that, its completed steps are undone, the last one first."""

    end: str
    error: ErrorInfo | None = None
    reason: str = ""


class UndoStarted(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The compensation of a completed step begins."""


class UndoFinished(_StepEvent, frozen=True, kw_only=True, gc=False):
    """The compensation of a step is over."""


class UndoFailed(_StepEvent, frozen=True, kw_only=True):
    """An attempt of a compensation failed; it is tried again at `due_at`, or never."""

    error: ErrorInfo
    counts: bool = True
    due_at: datetime | None = None


class DeferredUpdateFailed(_StepEvent, frozen=True, kw_only=True):
    """An update that a step had deferred failed; the step did not."""

    origin: str
    error: ErrorInfo


class ProcessFinished(_Event, frozen=True, kw_only=True):
    """Every step is over; `output` is that of the last one."""

    output: Any = None
    payload_seq: int = 0


class ProcessFailed(_Event, frozen=True, kw_only=True):
    """It ended with an error."""

    error: ErrorInfo


class ProcessTimedOut(_Event, frozen=True, kw_only=True):
    """It ran into its own deadline, or its interrupt was not answered in time."""

    error: ErrorInfo | None = None


class ProcessCancelled(_Event, frozen=True, kw_only=True):
    """It was cancelled."""

    reason: str = ""


ProcessEvent = (
    ProcessQueued
    | ProcessStarted
    | ProcessReleased
    | ProcessRecovered
    | StepStarted
    | StepProgressed
    | StepFinished
    | StepFailed
    | StepRetryScheduled
    | StepSkipped
    | ProcessInterrupted
    | ProcessProceeded
    | ProcessWaiting
    | ProcessSleeping
    | ProcessResumed
    | ProcessBlocked
    | DeadlineExtended
    | ProcessCancelRequested
    | ProcessRewound
    | ProcessRetried
    | ProcessUndoing
    | UndoStarted
    | UndoFinished
    | UndoFailed
    | DeferredUpdateFailed
    | ProcessFinished
    | ProcessFailed
    | ProcessTimedOut
    | ProcessCancelled
)
"""Any event. All have `pid`, `seq` (1, 2, ... within the process), `at` (UTC), `position` (grows in commit
order over the whole store)."""

ENDINGS = (ProcessFinished, ProcessFailed, ProcessTimedOut, ProcessCancelled)

EVENT_CLASSES: tuple[type, ...] = get_args(ProcessEvent)
