"""The pages on the command line say what it does."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from procactors.cli.app import app

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "guides" / "command-line.md").read_text("utf-8")
REFERENCE = (DOCS / "reference" / "cli.md").read_text("utf-8")

COMMANDS = typer.main.get_command(app).commands


def options_in_the_reference():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*`--[^|]*) \|", REFERENCE, re.MULTILINE)
    for commands, options in rows:
        for command in re.findall(r"\w+", commands):
            yield from ((command, option) for option in re.findall(r"`(--?[\w-]+)", options))


def options_of_the_app():
    for name, command in COMMANDS.items():
        for parameter in command.params:
            yield from (
                (name, option) for option in parameter.opts if option.startswith("-") and option != "--db"
            )


def test_reference_has_every_command_and_no_other():
    rows = re.findall(r"^\| `(\w+)[^|]*` \| \w+s ", REFERENCE, re.MULTILINE)
    lets = re.findall(r"^\| `(demo)` \| lets", REFERENCE, re.MULTILINE)
    assert {*rows, *lets} == set(COMMANDS)


def test_reference_has_every_option_and_no_other():
    assert sorted(options_in_the_reference()) == sorted(options_of_the_app())


def session():
    """Yield each command of the guide's sessions, with what the guide says it prints."""
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL):
        for call in block.removeprefix("$ ").split("\n$ "):
            command, _, output = call.partition("\n")
            yield command, output


def normal(text):
    """Return text without what differs from time to time."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "PID", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "SHORT", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r" *\b\d+\.\d s", " AGE", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def short_pids(text):
    return re.findall(r"\b[0-9a-f]{16}\b", text)


def without_width(lines):
    return [line.split() for line in lines]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "shop.py").write_text(source, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PROCACTORS_URL", "sqlite:///shop.db")
    monkeypatch.delenv("COLUMNS", raising=False)
    yield
    sys.modules.pop("shop", None)


def test_sessions_of_the_guide_are_what_happens(shop):
    runner, pids = CliRunner(), {}
    for command, said in session():
        for ours, real in pids.items():
            command = command.replace(ours, real)  # noqa: PLW2901 - the same command, with the pid of this run
        done = runner.invoke(app, shlex.split(command)[1:])
        pairs = zip(short_pids(said), short_pids(done.output), strict=False)
        pids.update({ours: real for ours, real in pairs if ours not in pids})
        assert without_width(normal(done.output)) == without_width(normal(said)), command
