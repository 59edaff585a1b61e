"""How a round looks: a line for each process, and the question below. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from procactors._wording import duration
from procactors.cli import drawing, status_style
from procactors.cli.demo.archive import Packed, Proposal
from procactors.cli.demo.count import Counted
from procactors.cli.demo.duplicates import Duplicates
from procactors.cli.wording import amount, clean, plural, size
from procactors.model.status import ProcessStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.console import Console, RenderableType

    from procactors.cli.track import Track
    from procactors.model.info import ProcessInfo


def board(tracks: Mapping[str, Track], now: datetime, console: Console) -> RenderableType:
    """Return a table of a round's processes; `now` is the moment that running times are counted to."""
    times = {name: duration(track.span.seconds(now)) if track.span else "" for name, track in tracks.items()}
    table = drawing.lines(names=tracks, times=times.values())
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for name, track in tracks.items():
        sign, took = status_style.sign(track.status, console), Text(times[name], "dim")
        table.add_row(sign, name, took, _rest(name, track, console))
    return table


def _rest(name: str, track: Track, console: Console) -> RenderableType:
    if track.state is None:
        return Text("waits for the others", "dim")
    if track.status is ProcessStatus.FINISHED:
        return Text(summary(name, track.output), "dim")
    if track.status is ProcessStatus.INTERRUPTED:
        return Text("waits for an answer", "yellow")
    if track.status.is_ended:
        return Text(clean(str(track.error or track.status)), "red")
    return _running(track, console)


def _running(track: Track, console: Console) -> RenderableType:
    count = len(track.steps)
    said = track.progress
    words = amount(said.done, said.total, said.text) if said else ""
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=drawing.bar_width(console))
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    place = (f"{min(int(track.done) + 1, count)}/{count} ", "dim")
    row.add_row(
        drawing.bar(track.done / count, console),
        Text.assemble(place, f"{track.step or ''}  ", (words, "dim")),
    )
    return row


def standing(info: ProcessInfo) -> str:
    """Return in a few words where a process stands that goes on now."""
    if info.status is ProcessStatus.INTERRUPTED:
        return "waits for an answer"
    if info.status.is_ended or info.step is None:
        return str(info.status)
    return f"goes on with {info.step}"


def summary(name: str, output: object) -> str:
    """Return in a few words what a process found."""
    match name:
        case "count":
            counts = msgspec.convert(output, Counted).counts
            return f"{counts.files:,} texts, {counts.lines:,} lines, {counts.tokens:,} Python tokens"
        case "duplicates":
            found = msgspec.convert(output, Duplicates)
            return f"{plural(found.groups, 'group')} of equal files, {size(found.wasted)} too much"
        case "archive":
            packed = msgspec.convert(output, Packed)
            if not packed.path:
                return "not wanted"
            ratio = packed.bytes / max(1, packed.original)
            return f"{size(packed.original)} packed into {size(packed.bytes)}, {ratio:.1%}, verified"
        case _:
            return "written"


def question(proposed: object) -> str:
    """Return the question that a proposal stands for."""
    proposal = msgspec.convert(proposed, Proposal)
    scanned = proposal.scanned
    return (
        f"Pack {scanned.files:,} files, {size(scanned.bytes)}, into a tar.{proposal.method} of about"
        f" {size(proposal.expected)}?"
    )


def asked(text: str) -> Text:
    """Return the question as it is put to the person."""
    return Text.assemble(("  ? ", "bold yellow"), (text, "bold"), ("  press y or n", "yellow"))
