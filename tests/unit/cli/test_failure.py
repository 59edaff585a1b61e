"""One line on stderr, and an exit code."""

from __future__ import annotations

import pytest
import typer

from procactors.cli.failure import BadInputError, CommandError, failures_as_lines
from procactors.errors import (
    InvalidDataError,
    InvalidDefinitionError,
    SchemaTooNewError,
    StepNotResolvableError,
    StoreUnavailableError,
    UnknownProcessError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownProcessError("x"), 1),
        (SchemaTooNewError("x"), 1),
        (StoreUnavailableError("x"), 1),
        (CommandError("x"), 1),
        (BadInputError("x"), 2),
        (InvalidDataError("x"), 2),
        (InvalidDefinitionError("x"), 2),
        (StepNotResolvableError("x"), 2),
        (ExceptionGroup("of tasks", [ExceptionGroup("inner", [BadInputError("x")])]), 2),
    ],
)
def test_every_error_of_ours_is_one_line_and_an_exit_code(error, code, capsys):
    with pytest.raises(typer.Exit) as caught, failures_as_lines():
        raise error
    assert caught.value.exit_code == code
    assert capsys.readouterr() == ("", "Error: x\n")


def test_message_of_many_lines_is_one_line(capsys):
    with pytest.raises(typer.Exit), failures_as_lines():
        raise CommandError("a\nb \x1b[2J" + "c" * 200)
    assert capsys.readouterr().err.count("\n") == 1


def test_interruption_by_the_keyboard_is_quiet(capsys):
    with pytest.raises(typer.Exit) as caught, failures_as_lines():
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("bug", [ZeroDivisionError("x"), ExceptionGroup("tasks", [ZeroDivisionError("x")])])
def test_bug_of_ours_is_not_hidden(bug):
    with pytest.raises(type(bug)), failures_as_lines():
        raise bug
