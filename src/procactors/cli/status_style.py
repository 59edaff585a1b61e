"""What each status looks like: a sign and a colour, the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

_PROCESS: Mapping[ProcessStatus, tuple[str, str, str]] = {
    ProcessStatus.QUEUED: ("○", ".", "dim"),
    ProcessStatus.RUNNING: ("●", "*", "cyan"),
    ProcessStatus.WAITING: ("●", "*", "blue"),
    ProcessStatus.SLEEPING: ("◌", "~", "blue"),
    ProcessStatus.INTERRUPTED: ("?", "?", "bold yellow"),
    ProcessStatus.BLOCKED: ("!", "!", "bold magenta"),
    ProcessStatus.CANCELLING: ("●", "*", "yellow"),
    ProcessStatus.UNDOING: ("●", "*", "yellow"),
    ProcessStatus.FINISHED: ("✓", "+", "green"),
    ProcessStatus.FAILED: ("✗", "x", "bold red"),
    ProcessStatus.TIMED_OUT: ("✗", "x", "bold red"),
    ProcessStatus.CANCELLED: ("✗", "x", "yellow"),
}
"""Sign, sign where there is only ASCII, colour."""

_STEP: Mapping[StepStatus, tuple[str, str, str]] = {
    StepStatus.PENDING: ("○", ".", "dim"),
    StepStatus.RUNNING: ("●", "*", "cyan"),
    StepStatus.COMPLETED: ("✓", "+", "green"),
    StepStatus.FAILED: ("✗", "x", "bold red"),
    StepStatus.SKIPPED: ("↷", "-", "dim"),
}


def sign(status: ProcessStatus | StepStatus, console: Console) -> Text:
    """Return the sign of a status, in its colour."""
    fancy, plain, colour = _STEP[status] if isinstance(status, StepStatus) else _PROCESS[status]
    return Text(plain if console.options.ascii_only else fancy, colour)


def word(status: ProcessStatus) -> Text:
    """Return the status as a word, in its colour."""
    return Text(status.value.replace("_", " "), _PROCESS[status][2])


def colour(status: ProcessStatus | StepStatus) -> str:
    """Return the colour of a status."""
    return _STEP[status][2] if isinstance(status, StepStatus) else _PROCESS[status][2]
