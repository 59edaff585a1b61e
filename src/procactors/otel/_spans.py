"""Spans of processes, steps and attempts, made from committed events.

The spans of a process and of its steps have ids that follow from its pid, so that every manager can hang
others below them before they have ended; they are sent by the manager in which they end. An attempt's span
belongs to the manager that runs it: one that is killed takes it with it.
"""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import Tracer
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from procactors.model import event as e
from procactors.otel._times import made_at, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from procactors.errors import ErrorInfo

_MOST_RESTING = 10_000
"""Of how many steps that wait for another attempt it is remembered when they began."""

_FAILED = (e.StepFailed, e.UndoFailed)
_FINISHED = (e.StepFinished, e.UndoFinished)


class _Step(NamedTuple):
    label: str
    began: int
    attributes: dict[str, AttributeValue]


class _OwnedProcess:
    """A process that the manager sees to, with what is open of it.

    Attributes:
        above: The context in which it was started; empty if nobody traced that.
        span: Its own span, which is sent when it ends.
        began: When it was queued, in nanoseconds.
        step: The step that has begun and is not over; None: there is none.
        attempt: The same of that step's attempt.
    """

    def __init__(self, pid: str, name: str, above: Context, span: SpanContext) -> None:
        self.pid = pid
        self.above = above
        self.span = span
        self.began = made_at(pid)
        self.attributes: dict[str, AttributeValue] = {"procactors.pid": pid, "procactors.process": name}
        self.step: _Step | None = None
        self.attempt: Span | None = None

    def below(self, span: SpanContext) -> Context:
        """Return the context in which one of its spans is the current one."""
        return set_span_in_context(NonRecordingSpan(span), self.above)

    def span_of(self, step: _Step) -> SpanContext:
        """Return the span of one of its steps."""
        own = self.span
        number = _hash(f"{self.pid} {step.label}", 8)
        return SpanContext(own.trace_id, number, is_remote=True, trace_flags=own.trace_flags)

    def end_attempt(self, at: int, error: ErrorInfo | None) -> None:
        if self.attempt is not None:
            _end(self.attempt, at, error)
        self.attempt = None


class Spans:
    """The open spans of a manager."""

    def __init__(self, provider: TracerProvider) -> None:
        """Send spans to `provider`."""
        self._sampler = provider.sampler
        self._tracer = provider.get_tracer("procactors")
        self._sender = provider.get_tracer("procactors.process")
        if isinstance(self._sender, Tracer):  # else the SDK is switched off
            self._sender.id_generator = _ChosenIds()
        self._owned: dict[str, _OwnedProcess] = {}
        self._resting: OrderedDict[str, _Step] = OrderedDict()
        """Steps that are neither over nor run, by the pids of their processes: the newest ones."""

    def change(
        self, pid: str, name: str, events: Sequence[Any], *, trace: str | None, is_owned: bool
    ) -> None:
        """Begin and end what the events of a process begin and end."""
        process = self._owned.get(pid) or self._taken_up(pid, name, trace)
        for event in events:
            self._note(process, name, event, nanoseconds(event.at))
        if is_owned:
            self._owned[pid] = process
        else:
            process.end_attempt(nanoseconds(events[-1].at), None)
            self._let_go(process)

    def _let_go(self, process: _OwnedProcess) -> None:
        self._owned.pop(process.pid, None)
        if process.step is not None:
            self._resting[process.pid] = process.step
            if len(self._resting) > _MOST_RESTING:
                self._resting.popitem(last=False)

    def forget(self, pid: str) -> None:
        """Drop what is open of a process that another manager has."""
        self._owned.pop(pid, None)

    def enter(self, pid: str) -> None:
        """Make the running attempt's span the current one of the calling task."""
        process = self._owned.get(pid)
        attempt = None if process is None else process.attempt
        empty = otel_context.Context()
        otel_context.attach(empty if attempt is None else set_span_in_context(attempt, empty))

    def _taken_up(self, pid: str, name: str, trace: str | None) -> _OwnedProcess:
        empty = otel_context.Context()
        above = _PROPAGATOR.extract({"traceparent": trace}, empty) if trace else empty
        starter = get_current_span(above).get_span_context()
        span_id = _hash(pid, 8)
        if starter.is_valid:
            span = SpanContext(starter.trace_id, span_id, is_remote=True, trace_flags=starter.trace_flags)
        else:
            trace_id = _hash(pid, 16)
            decision = self._sampler.should_sample(empty, trace_id, name).decision
            is_sampled = decision is Decision.RECORD_AND_SAMPLE
            span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(is_sampled)))
        process = _OwnedProcess(pid, name, above, span)
        process.step = self._resting.pop(pid, None)
        return process

    # Events.

    def _note(self, process: _OwnedProcess, name: str, event: Any, at: int) -> None:
        if isinstance(event, e.ProcessQueued):
            process.began = at
        elif isinstance(event, e.ProcessStarted | e.ProcessResumed):
            process.attributes["procactors.owner"] = event.owner
        elif isinstance(event, e.StepStarted | e.UndoStarted):
            self._begin_attempt(process, event, at)
        elif isinstance(event, _FINISHED):
            process.end_attempt(at, None)
            self._end_step(process, at, None)
        elif isinstance(event, _FAILED):
            process.end_attempt(at, event.error)
        elif isinstance(event, e.ProcessUndoing):
            process.end_attempt(at, event.error)
            self._end_step(process, at, event.error)
        elif isinstance(event, e.ProcessRewound | e.StepSkipped):
            process.step = None
        elif isinstance(event, e.ENDINGS):
            self._end_process(process, name, event, at)

    def _begin_attempt(self, process: _OwnedProcess, event: Any, at: int) -> None:
        label = event.step if isinstance(event, e.StepStarted) else f"undo {event.step}"
        attributes = {**process.attributes, "procactors.step": event.step}
        if process.step is None or process.step.label != label:
            process.step = _Step(label, at, attributes)
        process.attempt = self._tracer.start_span(
            f"{label} #{event.attempt}",
            process.below(process.span_of(process.step)),
            attributes={**attributes, "procactors.attempt": event.attempt},
            start_time=at,
        )

    def _end_step(self, process: _OwnedProcess, at: int, error: ErrorInfo | None) -> None:
        step, process.step = process.step, None
        if step is not None:
            above, span = process.below(process.span), process.span_of(step)
            _end(self._begin(span, step.label, above, step.attributes, step.began), at, error)

    def _end_process(self, process: _OwnedProcess, name: str, event: Any, at: int) -> None:
        error: ErrorInfo | None = getattr(event, "error", None)
        process.end_attempt(at, error)
        self._end_step(process, at, error)
        attributes = {**process.attributes, "procactors.status": _STATUSES[type(event)]}
        _end(self._begin(process.span, name, process.above, attributes, process.began), at, error)

    def _begin(
        self, span: SpanContext, name: str, above: Context, attributes: dict[str, AttributeValue], at: int
    ) -> Span:
        """Begin a span under the ids that it is known by already."""
        token = _chosen.set((span.trace_id, span.span_id))
        try:
            return self._sender.start_span(name, above, attributes=attributes, start_time=at)
        finally:
            _chosen.reset(token)


def _end(span: Span, at: int, error: ErrorInfo | None) -> None:
    if error is not None:
        kind = f"{error.module}.{error.type}" if error.module else error.type
        told = {"exception.type": kind, "exception.message": error.message}
        span.add_event("exception", {**told, "exception.stacktrace": error.traceback}, timestamp=at)
        span.set_status(Status(StatusCode.ERROR, f"{error.type}: {error.message}"))
    span.end(at)


def _hash(text: str, size_bytes: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size_bytes).digest())


class _ChosenIds(RandomIdGenerator):
    """Gives the span that is about to be made the ids chosen for it."""

    def generate_span_id(self) -> int:
        return _chosen.get()[1]

    def generate_trace_id(self) -> int:
        return _chosen.get()[0]


_chosen: ContextVar[tuple[int, int]] = ContextVar("procactors_chosen_ids")
_PROPAGATOR = TraceContextTextMapPropagator()
_STATUSES: dict[type, str] = {
    e.ProcessFinished: "finished",
    e.ProcessFailed: "failed",
    e.ProcessTimedOut: "timed_out",
    e.ProcessCancelled: "cancelled",
}
