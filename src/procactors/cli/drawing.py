"""How a process looks while it is watched: a head line, a line for each step, and what matters now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from procactors._wording import duration
from procactors.cli import status_style
from procactors.cli.wording import amount, clean, short
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rich.console import Console, RenderableType

    from procactors.cli.track import Span, Track
    from procactors.model.event import StepProgressed
    from procactors.model.info import Progress

_LONGEST_BAR, _SHORTEST_BAR = 24, 8
_LONGEST_NAME = 28
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
    statuses = track.steps
    names = list(statuses)
    first, last = window(len(names), track.state.index if track.state else 0, room)
    shown = names[first:last]
    times = {name: _time(track.spans.get(name), statuses[name], now) for name in shown}
    table = lines(names=map(clean, shown), times=times.values())
    table.add_column(width=bar_width(console) if track.progress and track.progress.total else 0)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for name in shown:
        row = (
            status_style.sign(statuses[name], console),
            _label(name, statuses[name]),
            Text(times[name], "dim"),
        )
        said = track.progress if statuses[name] is StepStatus.RUNNING else None
        table.add_row(*row, *(progress(said, console) if said else ()))
    if first:
        yield Text(f"   {first} steps before", "dim")
    yield table
    if last < len(names):
        yield Text(f"   {len(names) - last} steps after", "dim")


def window(count: int, current: int, room: int) -> tuple[int, int]:
    """Return which of `count` lines to show where there is room for `room`: those around the current one."""
    first = max(0, min(current - room // 2, count - room))
    return first, min(count, first + room)


def lines(names: Iterable[str], times: Iterable[str]) -> Table:
    """Return a table that is as wide as the terminal, with columns for a sign, a name and a time."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=2, justify="right")
    table.add_column(
        width=min(_LONGEST_NAME, max(map(cell_len, names), default=0)), no_wrap=True, overflow="ellipsis"
    )
    table.add_column(width=max([6, *map(len, times)]), justify="right", no_wrap=True)
    return table


def _time(span: Span | None, status: StepStatus, now: datetime) -> str:
    return duration(span.seconds(now)) if span and status is not StepStatus.PENDING else ""


def _label(name: str, status: StepStatus) -> Text:
    return Text(clean(name), "dim" if status in {StepStatus.PENDING, StepStatus.SKIPPED} else "")


def progress(said: Progress | StepProgressed, console: Console) -> tuple[RenderableType, Text]:
    """Return bar and text of what a step said of its progress."""
    words = Text(amount(said.done, said.total, said.text), "dim")
    if not said.total:
        return Text(), words
    part = max(0.0, min(1.0, said.done / said.total))
    return bar(part, console), Text.assemble(f"{part:4.0%} ", words)


def bar(part: float, console: Console) -> ProgressBar:
    """Return a bar that is full at 1."""
    width = bar_width(console)
    return ProgressBar(
        total=1, completed=part, width=width, complete_style="cyan", finished_style="cyan", style="dim"
    )


def bar_width(console: Console) -> int:
    """Return how long bars are: shorter where the terminal is narrow, so that there is room for words."""
    return max(_SHORTEST_BAR, min(_LONGEST_BAR, console.width * 3 // 10))


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
