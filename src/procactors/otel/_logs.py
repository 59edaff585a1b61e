"""Log records that say which process, step and attempt they come from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from procactors.executors.context import current_step

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class StepFilter(logging.Filter):
    """Gives each record `pid`, `step` and `attempt` of the step that logs; "", "" and 0 outside of steps.

    Add it to a handler; it lets every record through. In a step's threads it works too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields, and let the record through."""
        ctx = current_step.get()
        record.pid = "" if ctx is None else ctx.pid
        record.step = "" if ctx is None else ctx.step
        record.attempt = 0 if ctx is None else ctx.attempt
        return True


def add_step(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add `pid`, `step` and `attempt` to an entry of structlog, inside of steps: a processor of its kind."""
    ctx = current_step.get()
    if ctx is not None:
        event_dict.update(pid=ctx.pid, step=ctx.step, attempt=ctx.attempt)
    return event_dict
