"""Follows one process: on a terminal as a picture that moves, elsewhere line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from rich.console import Group
from rich.text import Text

from procactors._clock import SystemClock, to_datetime
from procactors.cli import drawing
from procactors.cli.answering import command_to_answer
from procactors.cli.console import is_live, note
from procactors.cli.screen import Screen
from procactors.cli.sentence import Teller
from procactors.cli.track import Track
from procactors.model import event as e

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console, RenderableType

    from procactors.manager import ProcessManager

Hear = Callable[[e.ProcessEvent], None]

_STANDS_STILL = (e.ProcessInterrupted, e.ProcessBlocked)


def now() -> datetime:
    """Return the moment that running times are counted to."""
    return to_datetime(SystemClock().wall())


async def follow(manager: ProcessManager, pid: str, track: Track, hear: Hear, *, waits: bool = True) -> None:
    """Take in a process's events until it ends.

    Args:
        manager: Where to read.
        pid: The process.
        track: What takes the events in.
        hear: Called with each event after that.
        waits: False: return also when the process stands still until somebody does something about it.

    Cancellation: safe; the process goes on.
    """
    async with manager.subscribe(pid) as events:
        async for event in events:
            track.add(event)
            hear(event)
            if not waits and isinstance(event, _STANDS_STILL) and (await manager.info(pid)).seq == event.seq:
                return


async def watch(
    manager: ProcessManager, pid: str, console: Console, *, waits: bool = True, db: str | None = None
) -> Track:
    """Show a process until it ends, and return what it told.

    Args:
        manager: Where to read.
        pid: The process.
        console: Where to show it.
        waits: False: return also when the process stands still until somebody does something about it.
        db: The --db of the command line that answers an open question; "" for none. None: it is not shown.

    Cancellation: safe; the process goes on.
    """
    track = Track()
    if not is_live(console):
        await follow(manager, pid, track, _printer(console, db), waits=waits)
        return track

    is_over = False

    def draw() -> RenderableType:
        picture = drawing.process(track, now(), console, whole=is_over)
        question = track.question
        if question is None or db is None:
            return picture
        return Group(picture, Text(f"  {command_to_answer(pid, question.schema, db)}", "yellow"))

    with Screen(console, draw) as screen:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(screen.keep_drawing)
            await follow(manager, pid, track, _nothing, waits=waits)
            tasks.cancel_scope.cancel()
        is_over = True
    return track


def _printer(console: Console, db: str | None) -> Hear:
    teller = Teller()

    def hear(event: e.ProcessEvent) -> None:
        if (line := teller.tell(event)) is not None:
            note(line, console)
        if isinstance(event, e.ProcessInterrupted) and db is not None:
            note(f"          {command_to_answer(event.pid, event.schema, db)}", console)

    return hear


def _nothing(_: e.ProcessEvent) -> None:
    pass
