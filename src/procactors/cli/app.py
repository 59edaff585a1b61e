"""The commands of `procactors`, one function each; what `--help` says of them is their docstring.

Those that start processes and show them are here; the others are put to them at the end.
"""

# ruff: noqa: FBT002, PLR0917 - Typer makes options of parameters, by their names

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec
import typer

from procactors.cli import listing, queues, verbs
from procactors.cli.arguments import json_given, pid_given, statuses_given, store_url
from procactors.cli.console import note, stdout, write_result
from procactors.cli.demo.command import Demo
from procactors.cli.demo.places import places
from procactors.cli.details import CHILDREN_MAX, details
from procactors.cli.failure import FAILED, FINISHED, BadInputError, failures_as_lines
from procactors.cli.health import health
from procactors.cli.parameters import URL_VARIABLE, AsJson, Data, Db, Pid
from procactors.cli.run import Foreground, Order
from procactors.cli.serve import serve
from procactors.cli.store import note_if_nobody_runs, on_store
from procactors.cli.target import definition
from procactors.cli.watch import now
from procactors.cli.watch import watch as watch_process
from procactors.cli.wording import pretty_json
from procactors.cli.worker import worker
from procactors.model.event_body import document
from procactors.model.status import ProcessStatus

if TYPE_CHECKING:
    from procactors.manager import ProcessManager
    from procactors.model.info import ProcessInfo
    from procactors.model.standing import ManagerInfo

app = typer.Typer(
    name="procactors",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it
    if wanted:
        write_result(f"procactors {version('procactors')}")
        raise typer.Exit


@app.callback()
def procactors(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version")
    ] = False,
) -> None:
    """Durable background processes: see them, answer them, run them."""


@app.command()
def demo(
    path: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Whose files; default: Python's standard library")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where results go; default: in ~/.local/state")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer its question with yes")] = False,
    without_page: Annotated[
        bool, typer.Option("--no-web", help="Without a page to look at it in a browser")
    ] = False,
    db: Annotated[
        str,
        typer.Option(
            "--db",
            envvar=URL_VARIABLE,
            show_envvar=False,
            metavar="URL",
            help=f"The store; default: ${URL_VARIABLE}, else a file among the results",
        ),
    ] = "",
) -> None:
    """Work on real files by durable processes: kill it, run it again.

    They count words and tokens, find duplicates, pack an archive if you agree, and write a report.
    """
    with failures_as_lines():
        raise typer.Exit(anyio.run(Demo(places(path, out, db), says_yes=yes, has_page=not without_page).run))


@app.command()
def run(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="SPEC.json, SPEC.yaml or module:process")],
    data: Data = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Start only one with this key, and go on with it")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="PID", help="Go on with this one; --data answers its question"),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show its steps")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Only queue it, and print its pid")] = False,
    db: Db = "",
) -> None:
    """Run a process in the foreground, and print its output as JSON.

    Exits with 0 if it finished, 1 if it failed, timed out or was cancelled, 3 if it waits for an answer.
    """
    with failures_as_lines():
        if resume and (key or detach):
            raise BadInputError("--resume goes on with a process that exists: without --key and --detach")
        if detach and watch:
            raise BadInputError("--detach does not wait, so there is nothing to --watch")
        process, value = definition(target), json_given(data)
        if not detach:
            url = store_url(db, must_exist=False)
            order = Order(target, process, value, key, resume, watch, url, _db_to_copy(db))
            raise typer.Exit(anyio.run(Foreground(order).run))

    async def start(client: ProcessManager) -> None:
        write_result((await client.start(process, value, key=key)).pid)
        await note_if_nobody_runs(client)

    on_store(db, start, must_exist=False)


@app.command("list")
def list_(
    status: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", metavar="STATUS", help="Only of this status; repeatable"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", metavar="NAME", help="Only of this definition")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            "-S",
            metavar="TEXT",
            help="Only those with it in their name, at the beginning of their key or pid, or as a tag",
        ),
    ] = None,
    parent: Annotated[
        str | None, typer.Option("--parent", metavar="PID", help="Only the children of this one")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", metavar="N", min=1, help="How many at most")] = 20,
    as_json: AsJson = False,
    db: Db = "",
) -> None:
    """List processes, the newest first."""
    with failures_as_lines():
        statuses = statuses_given(status or [])
        if search and parent:
            raise BadInputError(
                "--search goes through all processes, --parent gives the children of one: use one of them"
            )

    async def read(client: ProcessManager) -> list[ProcessInfo]:
        of = await pid_given(client, parent) if parent else None
        return await client.list(statuses, name, limit, parent=of, search=search)

    infos = on_store(db, read)
    if as_json:
        write_result(pretty_json(infos))
    elif infos:
        out = stdout()
        out.print(listing.processes(infos, now(), whole_pids=not out.is_terminal))
    else:
        note("no processes" if status or name or search or parent else "no processes in this store")


@app.command()
def show(pid: Pid, as_json: AsJson = False, db: Db = "") -> None:
    """Show all about a process."""

    async def read(client: ProcessManager) -> tuple[ProcessInfo, list[ProcessInfo]]:
        info = await client.info(await pid_given(client, pid))
        return info, await client.list(parent=info.pid, limit=CHILDREN_MAX + 1)

    info, children = on_store(db, read)
    if as_json:
        write_result(pretty_json(info))
    else:
        out = stdout()
        out.print(details(info, children, now(), out, _db_to_copy(db)), soft_wrap=True)


@app.command()
def watch(
    pid: Pid,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON")] = False,
    db: Db = "",
) -> None:
    """Watch a process until it ends.

    Exits with 0 if it finished, 1 if it failed, timed out or was cancelled.
    """

    async def follow(client: ProcessManager) -> ProcessStatus:
        whole = await pid_given(client, pid)
        if not as_json:
            return (await watch_process(client, whole, stdout(), db=_db_to_copy(db))).status
        async with client.subscribe(whole) as events:
            async for event in events:
                write_result(msgspec.json.encode(document(event)).decode())
        return (await client.info(whole)).status

    status = on_store(db, follow)
    raise typer.Exit(FINISHED if status is ProcessStatus.FINISHED else FAILED)


@app.command()
def counts(as_json: AsJson = False, db: Db = "") -> None:
    """Count the processes of each status."""
    counted = on_store(db, lambda client: client.counts())
    if as_json:
        write_result(pretty_json(counted))
    else:
        stdout().print(listing.counts(counted))


@app.command()
def managers(
    limit: Annotated[
        int, typer.Option("--limit", "-l", metavar="N", min=0, help="How many processes of each at most")
    ] = 20,
    as_json: AsJson = False,
    db: Db = "",
) -> None:
    """List the managers and clients on the store, and what each runs."""

    async def others(client: ProcessManager) -> list[ManagerInfo]:
        return [one for one in await client.fleet(limit) if one.name != client.name]

    members = on_store(db, others)
    if as_json:
        write_result(pretty_json(members))
    elif members:
        out = stdout()
        out.print(listing.managers(members, now()))
        if any(member.processes for member in members):
            out.print()
            out.print(listing.in_hand(members, whole_pids=not out.is_terminal))
    else:
        note("no managers on this store")


for command in (
    verbs.proceed,
    verbs.cancel,
    verbs.retry,
    verbs.skip,
    verbs.rewind,
    verbs.fork,
    serve,
    worker,
    health,
    queues.pause,
    queues.resume,
    queues.drain,
    queues.queues,
):
    app.command()(command)


def _db_to_copy(db: str) -> str:
    """Return what a command line to copy has to give as --db; "" if the environment says it."""
    return "" if os.environ.get(URL_VARIABLE) == db else db
