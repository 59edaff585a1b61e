"""What the events of one process have told so far: all that is needed to draw it. Pure."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from procactors.errors import InvalidStateError
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.info import step_statuses
from procactors.model.state import ProcessState, apply
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from procactors.errors import ErrorInfo
    from procactors.model.event import ProcessEvent


class Span(msgspec.Struct):
    """When a step, or the whole process, began and ended."""

    began_at: datetime
    ended_at: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """Return how long it has taken, until `now` if it is not over."""
        return ((self.ended_at or now) - self.began_at).total_seconds()


class Track:
    """One process, as its events tell it.

    Attributes:
        pid: Its pid; "" before the first event.
        plan: Its definition; None before the first event.
        state: What its events fold into; None before the first event.
        span: When the process began and ended.
        spans: When each step that has begun did so, and ended.
        progress: What the running step said last.
        question: The open question, while it is interrupted.
        error: What went wrong last.
        output: The output, once finished.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.pid = ""
        self.plan: Process | None = None
        self.state: ProcessState | None = None
        self.span: Span | None = None
        self.spans: dict[str, Span] = {}
        self.progress: e.StepProgressed | None = None
        self.question: e.ProcessInterrupted | None = None
        self.error: ErrorInfo | None = None
        self.output: object = None

    def add(self, event: ProcessEvent) -> None:
        """Take in the next event."""
        if isinstance(event, e.StepProgressed):
            self.progress = event
            return
        self._fold(event)
        self._note_times(event)
        self.progress = None
        self.question = event if isinstance(event, e.ProcessInterrupted) else None
        self.error = getattr(event, "error", None) or self.error
        if isinstance(event, e.StepFinished | e.ProcessRetried | e.ProcessRewound):
            self.error = None
        if isinstance(event, e.ProcessFinished):
            self.output = event.output

    def _fold(self, event: ProcessEvent) -> None:
        if isinstance(event, e.ProcessQueued):
            self.pid = event.pid
            self.plan = Process.from_spec(event.definition)
        if self.plan is not None:
            with suppress(InvalidStateError):  # an event of a newer version was left out before it
                self.state = apply(self.state, event, self.plan)

    def _note_times(self, event: ProcessEvent) -> None:
        match event:
            case e.ProcessQueued():
                self.span = Span(event.at)
            case e.StepStarted(step=step):
                self.spans[step] = Span(event.at)
            case e.StepFinished(step=step) | e.StepFailed(step=step) if step in self.spans:
                self.spans[step].ended_at = event.at
            case e.ProcessRewound():
                self.spans.clear()
        if self.span is not None:
            self.span.ended_at = event.at if isinstance(event, e.ENDINGS) else None

    @property
    def name(self) -> str:
        """Name of the definition."""
        return self.plan.name if self.plan else ""

    @property
    def status(self) -> ProcessStatus:
        """Where the process stands."""
        return self.state.status if self.state else ProcessStatus.QUEUED

    @property
    def steps(self) -> dict[str, StepStatus]:
        """Each step's status, in order."""
        return step_statuses(self.state, self.plan) if self.state and self.plan else {}

    @property
    def step(self) -> str | None:
        """Name of the current or next step."""
        if self.state is None or self.plan is None or self.state.index >= len(self.plan.names):
            return None
        return self.plan.names[self.state.index]

    @property
    def done(self) -> float:
        """How many steps are over, the part of the running one that it has told of included."""
        if self.state is None:
            return 0
        part = 0.0
        if self.progress is not None and self.progress.total:
            part = min(1.0, self.progress.done / self.progress.total)
        return self.state.index + part
