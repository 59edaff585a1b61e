"""What a step may ask for while it runs."""

from __future__ import annotations

from contextvars import ContextVar
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidDataError
from procactors.model.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procactors.executors._executor import StepRun

_TEXT_CHARS = 1000
"""How much of the text of progress is kept."""


class StepContext:
    """The second parameter of a step, if it takes one.

    Attributes:
        pid: The process.
        step: Name of the step.
        attempt: Number of this attempt, counted from 1.
        services: The manager's services, by name.
        data: The step's input, as the first parameter gets it.
    """

    __slots__ = ("_run", "attempt", "data", "pid", "services", "step")

    def __init__(
        self,
        pid: str,
        step: str,
        attempt: int,
        services: Mapping[str, Any],
        run: StepRun,
    ) -> None:
        """Make the context of one attempt; `data` is set when it has been decoded."""
        self.pid = pid
        self.step = step
        self.attempt = attempt
        self.services = services
        self.data: Any = None
        self._run = run

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this step of this process, and for nothing else.

        Hand it to services that understand such keys (payment, mail), as a step may run more than once.
        """
        return f"{self.pid}-{self.step}"

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Say how far the step is: `done` of `total`, in any unit, and in `text` what it does.

        Never blocks; also from a thread. Only the newest is kept, and written at most every 0.1 s
        (options.progress_every_s).
        """
        if not isinstance(text, str):
            raise InvalidDataError(
                f"progress(): text must be text, not {shown(text)}",
                pid=self.pid,
                step=self.step,
                attempt=self.attempt,
            )
        whole = None if total is None else self._number("total", total)
        self._run.progressed(self._number("done", done), whole, _storable(text))

    def _number(self, name: str, value: float) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = nan
        if isinstance(value, str) or not isfinite(number):
            raise InvalidDataError(
                f"progress(): {name} must be a finite number, not {shown(value)}",
                pid=self.pid,
                step=self.step,
                attempt=self.attempt,
            )
        return number

    def heartbeat(self) -> None:
        """Say that the step is alive; needed at least every `Step.heartbeat` seconds where that is set.

        Never blocks; also from a thread.
        """
        self._run.beat()

    def __repr__(self) -> str:
        """Show which attempt this is."""
        return f"<StepContext {self.pid} {self.step} attempt {self.attempt}>"


def _storable(text: str) -> str:
    """Return text that a store can hold, and people will read."""
    return text[:_TEXT_CHARS].encode("utf-8", "backslashreplace").decode()


current_step: ContextVar[StepContext | None] = ContextVar("procactors_current_step", default=None)
"""The context of the step that this code runs in; None outside of steps."""
