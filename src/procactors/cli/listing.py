"""Tables: processes, managers, counts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from procactors._wording import duration
from procactors.cli import status_style
from procactors.cli.wording import clean, short
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from procactors.model.info import ProcessInfo, QueueInfo
    from procactors.model.standing import ManagerInfo


def processes(infos: Iterable[ProcessInfo], now: datetime, *, whole_pids: bool) -> Table:
    """Return a table of processes.

    Args:
        infos: The processes, in the order to show.
        now: The moment that ages are counted to.
        whole_pids: Show all digits of the pids, not only as many as are needed to tell them apart.
    """
    table = _table()
    table.add_column("PID", no_wrap=True, style="dim")
    table.add_column("NAME", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("STEP", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("AGE", no_wrap=True, justify="right")
    for info in infos:
        table.add_row(
            info.pid if whole_pids else short(info.pid),
            Text(clean(info.name)),
            status_style.word(info.status),
            _step(info),
            duration((now - info.created_at).total_seconds()),
        )
    return table


def _step(info: ProcessInfo) -> Text:
    """Return how far it is: "2/5 parse 61 %"."""
    if info.status is ProcessStatus.FINISHED or info.step is None:
        return Text()
    over = sum(status in {StepStatus.COMPLETED, StepStatus.SKIPPED} for status in info.steps.values())
    text = Text.assemble((f"{over}/{len(info.steps)} ", "dim"), clean(info.step))
    if info.progress is not None and info.progress.total:
        text.append(f" {info.progress.done / info.progress.total:.0%}", "cyan")
    return text


def managers(members: Iterable[ManagerInfo], now: datetime) -> Table:
    """Return a table of the managers and clients of a store.

    Args:
        members: As `ProcessManager.fleet` gives them.
        now: The moment that ages are counted to.
    """
    table = _table()
    numbers = {"OS PID", "SINCE", "RUNS"}
    for title in ("NAME", "KIND", "HOST", "OS PID", "SINCE", "RUNS", "STATE"):
        table.add_column(title, no_wrap=True, justify="right" if title in numbers else "left")
    for member in members:
        table.add_row(
            clean(member.name),
            member.kind,
            clean(member.host),
            str(member.os_pid),
            duration((now - member.registered_at).total_seconds()),
            f"{member.running:,}",
            Text("alive", "green") if member.is_alive else Text("gone", "red"),
        )
    return table


def in_hand(members: Iterable[ManagerInfo], *, whole_pids: bool) -> Table:
    """Return a table of what each manager runs.

    Args:
        members: As `ProcessManager.fleet` gives them.
        whole_pids: As for `processes`.
    """
    table = _table()
    table.add_column("MANAGER", no_wrap=True)
    table.add_column("PID", no_wrap=True, style="dim")
    table.add_column("NAME", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("STATUS", no_wrap=True)
    for member in members:
        for one in member.processes:
            pid = one.pid if whole_pids else short(one.pid)
            table.add_row(clean(member.name), pid, Text(clean(one.name)), status_style.word(one.status))
        if member.processes and (more := member.running - len(member.processes)):
            table.add_row(clean(member.name), "", Text(f"and {more:,} more", "dim"), "")
    return table


def counts(counted: Mapping[ProcessStatus, int]) -> Table:
    """Return a table of how many processes there are of each status."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for status in ProcessStatus:
        if number := counted.get(status, 0):
            table.add_row(status_style.word(status), f"{number:,}")
    return table


def queues(infos: Sequence[QueueInfo]) -> Table:
    """Return a table of the queues of a store, all of them together in the last row.

    Args:
        infos: As `ProcessManager.queues` gives them.
    """
    table = _table()
    titles = ("NAME", "RUNNING", "QUEUED", "OTHER", "LIMITS", "STATE")
    for title in titles:
        table.add_column(title, no_wrap=True, justify="right" if title in titles[1:4] else "left")
    total, *named = infos
    for info in [*named, total]:
        running, queued = (
            info.counts.get(status, 0) for status in (ProcessStatus.RUNNING, ProcessStatus.QUEUED)
        )
        table.add_row(
            Text("all", "dim") if info.name is None else Text(clean(info.name)),
            f"{running:,}",
            f"{queued:,}",
            f"{sum(info.counts.values()) - running - queued:,}",
            _limits(info),
            Text("paused", "yellow") if info.is_paused else Text("open", "green"),
        )
    return table


def _limits(info: QueueInfo) -> str:
    """Return limits in few words: "2 at once, 1 per group, 10 in 60 s"."""
    words = []
    if info.max_running is not None:
        words.append(f"{info.max_running:,} at once")
    if info.max_per_group is not None:
        words.append(f"{info.max_per_group:,} per group")
    if info.rate is not None:
        words.append(f"{info.rate[0]:,} in {duration(info.rate[1])}")
    return ", ".join(words)


def _table() -> Table:
    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
