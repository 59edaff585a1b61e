"""Rounds of the demo: four processes each, found again by their keys after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.cli.demo.archive import ARCHIVE
from procactors.cli.demo.count import COUNT
from procactors.cli.demo.duplicates import DUPLICATES
from procactors.cli.demo.files import Job
from procactors.cli.demo.report import REPORT
from procactors.model.event import ProcessQueued

if TYPE_CHECKING:
    from pathlib import Path

    from procactors.handle import ProcessHandle
    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.model.info import ProcessInfo

PARTS: dict[str, Process] = {"count": COUNT, "duplicates": DUPLICATES, "archive": ARCHIVE}
"""The processes that run side by side; the report is made of what they find."""

_REMEMBERED = 200


class Round:
    """One run of the demo's processes over a folder.

    Attributes:
        number: 1, 2, 3, ... within the store.
        job: What its processes start with.
        found: Its processes that were there already, by name.
    """

    def __init__(self, manager: ProcessManager, number: int, job: Job, found: dict[str, ProcessInfo]) -> None:
        """Make a round; nothing is started."""
        self._manager = manager
        self.number = number
        self.job = job
        self.found = found

    async def start(self) -> dict[str, ProcessHandle]:
        """Start the three parts that run side by side, or find those that were started before.

        Cancellation: safe; what was started is found by the next call.
        """
        return {name: await self._start(process, self.job) for name, process in PARTS.items()}

    async def start_report(self, outputs: dict[str, object]) -> ProcessHandle:
        """Start the report on the parts' outputs, or find the one that was started before.

        Cancellation: safe; what was started is found by the next call.
        """
        return await self._start(REPORT, {"job": self.job, **outputs})

    async def _start(self, process: Process, data: Any) -> ProcessHandle:
        key = f"{process.name}/{self.number}"
        return await self._manager.start(process, data, key=key, tags=("demo", self.job.folder))


async def next_round(manager: ProcessManager, folder: str, out: Path, left_out: tuple[str, ...]) -> Round:
    """Return the unfinished round over this folder, or else a new one.

    Cancellation: safe.
    """
    rounds = await _rounds(manager)
    for number, found in sorted(rounds.items(), reverse=True):
        if folder in next(iter(found.values())).tags and not _is_over(found):
            return Round(manager, number, await _job_of(manager, found), found)
    number = max(rounds, default=0) + 1
    return Round(manager, number, Job(folder, str(out / f"round-{number}"), left_out), {})


async def _rounds(manager: ProcessManager) -> dict[int, dict[str, ProcessInfo]]:
    """Return the processes of all rounds, by number and name."""
    rounds: dict[int, dict[str, ProcessInfo]] = {}
    for name, process in {**PARTS, "report": REPORT}.items():
        for info in await manager.list(name=process.name, limit=_REMEMBERED):
            _, _, number = (info.key or "").rpartition("/")
            if number.isdecimal():
                rounds.setdefault(int(number), {})[name] = info
    return rounds


def _is_over(found: dict[str, ProcessInfo]) -> bool:
    return "report" in found and found["report"].status.is_ended


async def _job_of(manager: ProcessManager, found: dict[str, ProcessInfo]) -> Job:
    """Return what the processes of a round were started with."""
    async with manager.subscribe(next(iter(found.values())).pid) as events:
        async for event in events:
            assert isinstance(event, ProcessQueued)
            return msgspec.convert(event.data, Job)
    raise AssertionError("every history begins with ProcessQueued")
