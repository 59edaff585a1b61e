"""How a process looks while it is watched: a head line, a line for each step, and what matters now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from procactors.cli import status_style
from procactors.cli.wording import amount, clean, duration, short
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rich.console import Console, RenderableType

    from procactors.cli.track import Track
    from procactors.model.event import StepProgressed
    from procactors.model.info import Progress

BAR_WIDTH = 24
_LINES_BESIDES_STEPS = 6
_FEWEST_STEPS = 5


def process(track: Track, now: datetime, console: Console, *, whole: bool = False) -> RenderableType:
    """Return the picture of one process.

    Args:
        track: What is known of it.
        now: The moment that running times are counted to.
        console: Where it is drawn; if it is too low for all steps, those around the current one are shown.
        whole: Show all steps all the same.
    """
    room = len(track.steps) if whole else max(_FEWEST_STEPS, console.height - _LINES_BESIDES_STEPS)
    return Group(_head(track, now), *_steps(track, now, console, room), *_remarks(track, now))


def _head(track: Track, now: datetime) -> Text:
    took = Text(duration(track.span.seconds(now)), "dim") if track.span else Text()
    name, pid = Text(clean(track.name), "bold"), Text(short(track.pid), "dim")
    return Text("  ").join([name, pid, status_style.word(track.status), took])


def _steps(track: Track, now: datetime, console: Console, room: int) -> Iterable[RenderableType]:
    names = list(track.steps)
    first, last = window(len(names), track.state.index if track.state else 0, room)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, min_width=2, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column(no_wrap=True, justify="right", min_width=6)
    table.add_column()
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name in names[first:last]:
        table.add_row(*_step(track, name, now, console))
    if first:
        yield Text(f"   {first} steps before", "dim")
    yield table
    if last < len(names):
        yield Text(f"   {len(names) - last} steps after", "dim")


def window(count: int, current: int, room: int) -> tuple[int, int]:
    """Return which of `count` lines to show where there is room for `room`: those around the current one."""
    first = max(0, min(current - room // 2, count - room))
    return first, min(count, first + room)


def _step(track: Track, name: str, now: datetime, console: Console) -> list[RenderableType]:
    status = track.steps[name]
    span = track.spans.get(name)
    took = duration(span.seconds(now)) if span and status is not StepStatus.PENDING else ""
    is_idle = status in {StepStatus.PENDING, StepStatus.SKIPPED}
    label = Text(clean(name), "dim" if is_idle else "")
    row: list[RenderableType] = [status_style.sign(status, console), label, Text(took, "dim")]
    if status is StepStatus.RUNNING and track.progress is not None:
        row += progress(track.progress)
    return row


def progress(said: Progress | StepProgressed) -> tuple[RenderableType, Text]:
    """Return bar and text of what a step said of its progress."""
    words = Text(amount(said.done, said.total, said.text), "dim")
    if not said.total:
        return Text(), words
    part = max(0.0, min(1.0, said.done / said.total))
    return bar(part), Text.assemble(f"{part:4.0%} ", words)


def bar(part: float) -> ProgressBar:
    """Return a bar that is full at 1."""
    return ProgressBar(
        total=1, completed=part, width=BAR_WIDTH, complete_style="cyan", finished_style="cyan", style="dim"
    )


def _remarks(track: Track, now: datetime) -> Iterable[Text]:
    """Say what stands out: an error, a wait, an open question."""
    style = status_style.colour(track.status)
    if track.error is not None:
        yield Text(f"  {clean(str(track.error))}", style if track.status.is_ended else "yellow")
    state = track.state
    if state is None:
        return
    if track.status is ProcessStatus.SLEEPING and state.due_at:
        yield Text(f"  goes on in {duration(state.due_at - now.timestamp())}", style)
    if state.reason:
        yield Text(f"  {clean(state.reason)}", style)
