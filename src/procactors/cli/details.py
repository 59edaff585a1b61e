"""All about one process, for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from procactors._wording import duration
from procactors.cli import drawing, status_style
from procactors.cli.answering import command_to_answer, db_words
from procactors.cli.wording import clean, command, moment, pretty_json, short
from procactors.model.status import ProcessStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rich.console import Console, RenderableType

    from procactors.errors import ErrorInfo
    from procactors.model.info import ProcessInfo

CHILDREN_MAX = 10
_JSON_LINES = 24
_TRACEBACK_LINES = 30


def details(
    info: ProcessInfo, children: Sequence[ProcessInfo], now: datetime, console: Console, db: str
) -> RenderableType:
    """Return what there is to know of a process.

    Args:
        info: The process.
        children: Its newest children; if there are more than CHILDREN_MAX, the others are not shown.
        now: The moment that ages are counted to.
        console: Where it is shown.
        db: The --db of command lines to copy; "" for none.
    """
    name, pid = Text(clean(info.name), "bold"), Text(info.pid, "dim")
    head = Text("  ").join([name, pid, status_style.word(info.status)])
    parts: list[RenderableType] = [head, "", _facts(info, now), "", _steps(info, console)]
    if info.interrupt is not None:
        parts += _section("waits for an answer", _question(info, db))
    if info.error is not None:
        parts += _section("error", _error(info.error))
    if info.status is ProcessStatus.FINISHED:
        parts += _section("output", [_json(info.output)])
    elif info.interrupt is None:
        parts += _section("data", [_json(info.data)])
    if children:
        parts += _section("children", _children(children, info.pid, db))
    return Group(*parts)


def _section(title: str, content: Iterable[Text]) -> list[RenderableType]:
    indented = [Text("    ") + line for text in content for line in text.split("\n")]
    return ["", Text(f"  {title}", "bold"), *indented]


def _facts(info: ProcessInfo, now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    for title, value in _named_facts(info, now):
        table.add_row(f"  {title}", clean(value))
    return table


def _named_facts(info: ProcessInfo, now: datetime) -> Iterable[tuple[str, str]]:
    yield "created", _ago(info.created_at, now)
    if info.started_at:
        yield "started", _ago(info.started_at, now)
    if info.ended_at:
        began = info.started_at or info.created_at
        yield "ended", f"{moment(info.ended_at)}  after {duration((info.ended_at - began).total_seconds())}"
    if info.deadline_at:
        yield "times out", moment(info.deadline_at)
    if info.due_at and info.status is ProcessStatus.SLEEPING:
        yield "sleeps until", moment(info.due_at)
    optional = (
        ("reason", info.reason),
        ("key", info.key or ""),
        ("tags", ", ".join(info.tags)),
        ("priority", str(info.priority or "")),
        ("owner", info.owner or ""),
        ("parent", info.parent_pid or ""),
    )
    yield from ((title, value) for title, value in optional if value)


def _ago(at: datetime, now: datetime) -> str:
    return f"{moment(at)}  {duration((now - at).total_seconds())} ago"


def _steps(info: ProcessInfo, console: Console) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    for name, status in info.steps.items():
        row: list[RenderableType] = [
            status_style.sign(status, console),
            Text(clean(name)),
            Text(status, "dim"),
        ]
        if status is StepStatus.RUNNING:
            row += [Text(f"attempt {info.attempt}" if info.attempt > 1 else "", "yellow")]
            row += [] if info.progress is None else drawing.progress(info.progress, console)
        elif name in info.undone:
            row += [Text("undone", "yellow")]
        elif name == info.undoing:
            row += [Text("to be undone next", "yellow")]
        table.add_row(*row)
    return table


def _children(children: Sequence[ProcessInfo], parent: str, db: str) -> Iterable[Text]:
    for child in children[:CHILDREN_MAX]:
        name, pid = Text(clean(child.name)), Text(short(child.pid), "dim")
        yield Text("  ").join([pid, name, status_style.word(child.status)])
    if len(children) > CHILDREN_MAX:
        yield Text(f"and older ones: {command('list', '--parent', short(parent), *db_words(db))}", "yellow")


def _question(info: ProcessInfo, db: str) -> Iterable[Text]:
    question = info.interrupt
    assert question is not None
    if question.deadline_at:
        yield Text(f"until {moment(question.deadline_at)}", "dim")
    yield _json(question.data)
    yield Text(command_to_answer(info.pid, question.schema, db), "yellow")


def _error(error: ErrorInfo) -> Iterable[Text]:
    where = f"step {clean(error.step)}, attempt {error.attempt}" if error.step else ""
    yield Text(clean(str(error)), "red")
    if where:
        yield Text(where, "dim")
    cause = error.cause
    while cause is not None:
        yield Text(f"because of {clean(str(cause))}", "red")
        cause = cause.cause
    for text in (error.traceback, error.stderr):
        if text:
            yield Text(
                "\n".join(clean(line) for line in text.rstrip().splitlines()[-_TRACEBACK_LINES:]), "dim"
            )


def _json(value: Any) -> Text:
    """Return JSON over several lines; of a long one the beginning."""
    lines = [clean(line) for line in pretty_json(value).splitlines()]
    text = Text("\n".join(lines[:_JSON_LINES]))
    if len(lines) > _JSON_LINES:
        text.append(f"\n... {len(lines) - _JSON_LINES} lines more: use --json", "dim")
    return text
