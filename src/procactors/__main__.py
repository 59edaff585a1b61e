"""`procactors`, and `python -m procactors`: the command line, if its extra is installed."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from procactors.cli.app import app as _app
except ModuleNotFoundError as _error:
    if _error.name not in {"typer", "rich"}:
        raise
    _run: Callable[[], object] | None = None
else:
    _run = _app


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: Always; with the command's exit code.
    """
    if _run is None:
        sys.exit("Error: the command line needs Typer and Rich: pip install 'procactors[cli]'")
    # When a command ends, actors stop with messages unread, which is normal here.
    logging.getLogger("procactors.actors").setLevel(logging.ERROR)
    sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be anything
    try:
        _run()
    except OSError as error:
        nowhere = _nowhere()
        os.dup2(nowhere.fileno(), 1)  # what could not be written would be tried again at exit
        sys.exit(f"Error: {error.strerror or error}")


def _nowhere() -> TextIO:
    """Return a stream for what nobody wants to read: a closed one is None in Python."""
    return Path(os.devnull).open("w", encoding="utf-8")


if __name__ == "__main__":
    main()
