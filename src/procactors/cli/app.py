"""The commands of `procactors`, one function each; what `--help` says of them is their docstring."""

# ruff: noqa: FBT002, PLR0917 - Typer makes options of parameters, by their names

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec
import typer

from procactors.cli import listing, queues
from procactors.cli.arguments import json_given, pid_given, statuses_given, store_url
from procactors.cli.console import note, stdout, write_result
from procactors.cli.demo.command import Demo
from procactors.cli.demo.places import places
from procactors.cli.details import CHILDREN_MAX, details
from procactors.cli.failure import FAILED, FINISHED, BadInputError, CommandError, failures_as_lines
from procactors.cli.health import health
from procactors.cli.parameters import URL_VARIABLE, AsJson, Data, Db, Pid, StepName
from procactors.cli.run import Foreground, Order
from procactors.cli.serve import serve
from procactors.cli.store import note_if_nobody_runs, on_store
from procactors.cli.target import definition
from procactors.cli.watch import now
from procactors.cli.watch import watch as watch_process
from procactors.cli.wording import pretty_json, short
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


@app.command()
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


@app.command()
def retry(pid: Pid, db: Db = "") -> None:
    """Go on with a failed process, from its failed step."""

    async def retried(client: ProcessManager) -> None:
        whole = await pid_given(client, pid)
        await client.retry(whole)
        note(f"{short(whole)} goes on from {(await client.info(whole)).step}")
        await note_if_nobody_runs(client)

    on_store(db, retried)


@app.command()
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


@app.command()
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


@app.command()
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


for command in (serve, worker, health, queues.pause, queues.resume, queues.drain, queues.queues):
    app.command()(command)


def _db_to_copy(db: str) -> str:
    """Return what a command line to copy has to give as --db; "" if the environment says it."""
    return "" if os.environ.get(URL_VARIABLE) == db else db
