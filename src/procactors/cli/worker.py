"""`procactors worker module:manager`: a manager without a web server around it, as a program of its own."""

# ruff: noqa: FBT002 - Typer makes options of parameters, by their names

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from procactors.cli.console import note
from procactors.cli.failure import CommandError, failures_as_lines
from procactors.cli.health_port import answer_probes, listen
from procactors.cli.signals import StoppedError, until_stopped
from procactors.cli.target import manager_named
from procactors.errors import ActorStoppedError
from procactors.model.event import ENDINGS, ProcessResumed, ProcessStarted
from procactors.model.status import ProcessStatus

if TYPE_CHECKING:
    from procactors.manager import ProcessManager

_LOOKS_EVERY_S = 1
_AT_WORK = (
    ProcessStatus.QUEUED,
    ProcessStatus.RUNNING,
    ProcessStatus.WAITING,
    ProcessStatus.CANCELLING,
    ProcessStatus.UNDOING,
)


def worker(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:MANAGER", help="A ProcessManager, or a function that returns one")
    ],
    max_processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many of its processes have ended")
    ] = None,
    exit_when_idle: Annotated[
        bool, typer.Option("--exit-when-idle", help="End when nothing is queued, and nothing runs")
    ] = False,
    health_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Answer GET /live and GET /ready; 0: any port"),
    ] = None,
) -> None:
    """Run processes, without a web server, until told to stop.

    SIGTERM or Ctrl-C: it takes up nothing more, lets running steps end for as long as the manager's grace,
    and gives the rest back to others. A second one ends it at once; what was checkpointed is not lost.
    """
    with failures_as_lines():
        manager = manager_named(target)
        work = Worker(manager, max_processes, exit_when_idle=exit_when_idle)
        anyio.run(_worked, work, manager, health_port)


async def _worked(work: Worker, manager: ProcessManager, health_port: int | None) -> None:
    """Work, and answer probes from before the manager is opened until after it is closed."""
    async with anyio.create_task_group() as tasks:
        if health_port is not None:
            tasks.start_soon(answer_probes, manager, await listen(health_port))
        try:
            await until_stopped(work.run, work.announce_stop)
        except StoppedError:
            note("stopped: what was running has been given back")
        tasks.cancel_scope.cancel()


class Worker:
    """One manager at work, and what ends it."""

    def __init__(self, manager: ProcessManager, max_processes: int | None, *, exit_when_idle: bool) -> None:
        """Prepare to run `manager`."""
        self._manager = manager
        self._most = max_processes
        self._exits_when_idle = exit_when_idle

    async def run(self) -> None:
        """Run until the manager has done what it was to do. Cancellation: closes the manager."""
        async with self._manager as manager:
            note(f"{manager.name} runs what is on {manager.url}")
            if self._most is None and not self._exits_when_idle:
                await self._as_long_as_it_lives(manager)
            else:
                try:
                    await self._until_done(manager)
                except ActorStoppedError:
                    await self._as_long_as_it_lives(manager)
            if not manager.health().is_live:
                raise CommandError(f"{manager.name} is of no use any more: {manager.health().reason}")

    async def _as_long_as_it_lives(self, manager: ProcessManager) -> None:
        while manager.health().is_live:  # noqa: ASYNC110 - it hardly ever changes
            await anyio.sleep(_LOOKS_EVERY_S)

    async def _until_done(self, manager: ProcessManager) -> None:
        own: set[str] = set()
        ended = 0
        async with manager.subscribe() as events:
            if self._exits_when_idle and await _is_idle(manager):
                return
            async for event in events:
                if isinstance(event, ProcessStarted | ProcessResumed) and event.owner == manager.name:
                    own.add(event.pid)
                if not isinstance(event, ENDINGS):
                    continue
                ended += event.pid in own
                own.discard(event.pid)
                if self._most is not None and ended >= self._most:
                    return
                if self._exits_when_idle and await _is_idle(manager):
                    return

    def announce_stop(self) -> None:
        """Say what happens now."""
        note("stopping: running steps get the grace to end (the same signal again: none)")


async def _is_idle(manager: ProcessManager) -> bool:
    counts = await manager.counts()
    return not any(counts.get(status) for status in _AT_WORK)
