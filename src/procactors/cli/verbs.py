"""The commands that change one process: each asks the store, and says what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from procactors.cli.arguments import json_given, pid_given
from procactors.cli.console import note, write_result
from procactors.cli.failure import CommandError, failures_as_lines
from procactors.cli.parameters import Data, Db, Pid, StepName  # noqa: TC001 - Typer reads them
from procactors.cli.store import note_if_nobody_runs, on_store
from procactors.cli.wording import short

if TYPE_CHECKING:
    from procactors.manager import ProcessManager


def proceed(pid: Pid, data: Data = None, db: Db = "") -> None:
    """Answer an interrupted process, so that it goes on.

    The answer is merged over its data; without --data it goes on with what there is.
    """
    with failures_as_lines():
        answer = json_given(data)

    async def answered(client: ProcessManager) -> None:
        whole = await client.proceed(await pid_given(client, pid), answer)
        note(f"{short(whole)} goes on")
        await note_if_nobody_runs(client)

    on_store(db, answered)


def cancel(
    pid: Pid, reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with it")] = "", db: Db = ""
) -> None:
    """Cancel a process: no further step starts.

    A step that is running is cancelled. Exits with 1 if the process is over already.
    """

    async def cancelled(client: ProcessManager) -> None:
        whole = await pid_given(client, pid)
        if not await client.cancel(whole, reason=reason):
            raise CommandError(f"{short(whole)} is over: it is {(await client.info(whole)).status}")
        note(f"{short(whole)} is cancelled")

    on_store(db, cancelled)


def retry(pid: Pid, db: Db = "") -> None:
    """Go on with a failed process, from its failed step."""

    async def retried(client: ProcessManager) -> None:
        whole = await pid_given(client, pid)
        await client.retry(whole)
        note(f"{short(whole)} goes on from {(await client.info(whole)).step}")
        await note_if_nobody_runs(client)

    on_store(db, retried)


def skip(pid: Pid, step: StepName, db: Db = "") -> None:
    """Go on behind a step that failed or blocks.

    The step's input goes on to the next one.
    """

    async def skipped(client: ProcessManager) -> None:
        whole = await pid_given(client, pid)
        await client.skip(whole, step)
        note(f"{short(whole)} goes on behind {step}")
        await note_if_nobody_runs(client)

    on_store(db, skipped)


def rewind(pid: Pid, step: StepName, db: Db = "") -> None:
    """Run a process again from a step on.

    The step gets the input that it had. The process may have ended; nobody may be running it.
    """

    async def rewound(client: ProcessManager) -> None:
        whole = await pid_given(client, pid)
        await client.rewind(whole, step)
        note(f"{short(whole)} goes back to {step}")
        await note_if_nobody_runs(client)

    on_store(db, rewound)


def fork(pid: Pid, step: StepName, data: Data = None, db: Db = "") -> None:
    """Start a process like another, from a step on.

    Prints the new pid. The step gets --data, or else the input that it had there.
    """
    with failures_as_lines():
        value = json_given(data)

    async def forked(client: ProcessManager) -> None:
        handle = await client.fork(await pid_given(client, pid), step, value)
        write_result(handle.pid)
        await note_if_nobody_runs(client)

    on_store(db, forked)
