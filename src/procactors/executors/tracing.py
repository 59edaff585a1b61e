"""How a step in a worker goes on with the trace of its attempt: what it traces there is below that.

OpenTelemetry is never imported for it: where the step's own code has not done so, nothing there is traced.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def traced(parent: str | None) -> Iterator[None]:
    """Make the span of a W3C traceparent the current one within the block; None: leave all as it is."""
    context, trace = sys.modules.get("opentelemetry.context"), sys.modules.get("opentelemetry.trace")
    if parent is None or context is None or trace is None:
        yield
        return
    _, trace_id, span_id, flags = parent.split("-")[:4]
    above = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(above)))
    try:
        yield
    finally:
        context.detach(token)
