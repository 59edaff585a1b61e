"""Steps for worker processes of the tests of telemetry."""

from __future__ import annotations

import logging

from opentelemetry import trace


def tells_its_trace(data):
    here = trace.get_current_span().get_span_context()
    logging.getLogger("traced").warning("from a worker")
    return {"trace": here.trace_id, "span": here.span_id}


async def tells_its_trace_async(data):
    return tells_its_trace(data)
