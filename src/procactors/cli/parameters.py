"""Parameters that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

URL_VARIABLE = "PROCACTORS_URL"

Db = Annotated[
    str,
    typer.Option(
        "--db",
        envvar=URL_VARIABLE,
        show_envvar=False,
        metavar="URL",
        help=f"The store: sqlite:///file.db; default: ${URL_VARIABLE}",
    ),
]
Pid = Annotated[str, typer.Argument(metavar="PID", help="The process; 8 digits or more are enough")]
StepName = Annotated[str, typer.Argument(metavar="STEP", help="The name of one of its steps")]
Data = Annotated[
    str | None, typer.Option("--data", metavar="JSON", help="JSON, or @file, or - for standard input")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
