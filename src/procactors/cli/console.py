"""Where output goes: results to stdout, everything about them to stderr."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.text import Text

from procactors.cli.wording import clean

_PIPE_WIDTH = 200
"""Columns where nobody says how many there are."""


class ReaderGoneError(Exception):
    """Whoever was to read the output has gone, as `head` does."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Say no more, and end the program by an error that goes through tasks, as SystemExit does not."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        raise ReaderGoneError


def stdout() -> Console:
    """Return the console of results."""
    return _Console(highlight=False, width=None if _has_width() else _PIPE_WIDTH)


def stderr() -> Console:
    """Return the console of notes and errors."""
    return _Console(highlight=False, stderr=True)


def note(text: str | Text, console: Console | None = None) -> None:
    """Say something about what is done, on stderr by default; long lines stay whole, to be copied."""
    (console or stderr()).print(text, soft_wrap=True, markup=False)


def complain(text: str) -> None:
    """Say on stderr, in one line, what went wrong."""
    note(Text.assemble(("Error: ", "bold red"), clean(text)))


def write_result(text: str) -> None:
    """Write a result on stdout as it is, for people and pipes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def is_live(console: Console) -> bool:
    """Tell whether the console can be drawn on again and again."""
    return console.is_terminal and not console.is_dumb_terminal


def _has_width() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ
