"""`procactors health`: asks a worker or an application on this host how it is, and exits with the answer."""

# ruff: noqa: FBT002 - Typer makes options of parameters, by their names

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated
from urllib.parse import urlsplit

import typer

from procactors.cli.console import note
from procactors.cli.failure import BadInputError, CommandError, failures_as_lines


def health(
    target: Annotated[
        str, typer.Argument(metavar="PORT|URL", help="worker's --health-port, or where health_app is mounted")
    ],
    live: Annotated[
        bool, typer.Option("--live", help="Ask whether it is live, not whether it is ready")
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Wait so long at most")] = 5,
) -> None:
    """Ask a manager whether it is ready, or live.

    Exits with 0 if it is, with 1 if it is not or does not answer. For containers' health checks.
    """
    with failures_as_lines():
        status, body = _asked(target, "live" if live else "ready", timeout)
        if status != 200:
            raise CommandError(f"{target} answers {status}: {body}")
        note(body)


def _asked(target: str, question: str, timeout: float) -> tuple[int, str]:
    parts = urlsplit(f"http://127.0.0.1:{target}" if target.isdecimal() else target)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in {"http", "https"} or not host:
        raise BadInputError(f"{target!r} is neither a port nor a URL like http://127.0.0.1:8000/health")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(host, port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/{question}")
        response = connection.getresponse()
        return response.status, response.read(2000).decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        raise CommandError(f"{target} does not answer: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
