"""The commands about queues: all processes of a definition's name, on all managers of the store."""

# ruff: noqa: FBT002 - Typer makes options of parameters, by their names

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from procactors.cli import listing
from procactors.cli.console import note, stdout, write_result
from procactors.cli.failure import CommandError
from procactors.cli.parameters import AsJson, Db  # noqa: TC001 - Typer reads them
from procactors.cli.store import on_store
from procactors.cli.wording import clean, pretty_json

if TYPE_CHECKING:
    from procactors.manager import ProcessManager

Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Of this definition; default: of all", show_default=False),
]


def pause(name: Name = None, db: Db = "") -> None:
    """Let no process begin to run, on any manager, until `resume`.

    What runs goes on, and what it starts; what comes back from a retry, a sleep or an answer waits.
    """

    async def paused(client: ProcessManager) -> None:
        await client.pause(name)
        note(f"{_whose(name)} paused: `resume` ends that")

    on_store(db, paused)


def resume(name: Name = None, db: Db = "") -> None:
    """Let processes begin to run again."""

    async def resumed(client: ProcessManager) -> None:
        await client.resume(name)
        note(f"{_whose(name)} not paused")

    on_store(db, resumed)


def drain(
    name: Name = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Wait so long at most")
    ] = None,
    db: Db = "",
) -> None:
    """Pause, and wait until nothing runs.

    It stays paused until `resume`. Exits with 1 if something still runs after --timeout.
    """

    async def drained(client: ProcessManager) -> None:
        try:
            await client.drain(timeout, name=name)
        except TimeoutError:
            raise CommandError(f"{_whose(name)} paused, and something still runs") from None
        note(f"{_whose(name)} paused, and nothing runs")

    on_store(db, drained)


def queues(as_json: AsJson = False, db: Db = "") -> None:
    """List queues: what is alive of each, and what holds it back."""
    infos = on_store(db, lambda client: client.queues())
    if as_json:
        write_result(pretty_json(infos))
    else:
        stdout().print(listing.queues(infos))


def _whose(name: str | None) -> str:
    return "all are" if name is None else f"{clean(name)} is"
