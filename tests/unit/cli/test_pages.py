"""The reference of the command line is complete; the sessions of its guide are run with all pages."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from procactors.cli.app import app

DOCS = Path(__file__).parents[3] / "docs"
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
