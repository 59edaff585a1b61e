"""Durable deferred updates: each is a process of one step, which calls its function."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidDefinitionError
from procactors.model import reference
from procactors.model.definition import Process
from procactors.model.reference import step_as
from procactors.model.retry import Retry
from procactors.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable

RESOLVE = "procactors_resolve"
"""Name of the service by which an update's function is found again."""


async def run_update(data: dict[str, Any], *, procactors_resolve: Callable[[str], Any]) -> None:
    """Call the function of a durable update, wherever it is found."""
    result = procactors_resolve(data["call"])(*data["args"])
    if inspect.isawaitable(result):
        await result


step_as(run_update, "procactors.update")

_PROCESS = Process(
    "deferred update",
    [Step("run", run_update, services=(RESOLVE,), retry=Retry(attempts=10, delay=1, max_delay=300))],
    timeout=3600,
)


def process_of(update: Any) -> tuple[Process, dict[str, Any]]:
    """Return the process that does a durable update, and its data.

    Args:
        update: Has `function` and `args`, as a `CallableUpdate` has.

    Raises:
        InvalidDefinitionError: Its function could not be found again, so that it can't be durable.
    """
    function = getattr(update, "function", None)
    if function is None:
        raise InvalidDefinitionError(f"{update!r} can't be durable: only a function with its arguments can")
    return _PROCESS, {"call": reference.register(function), "args": list(update.args)}
