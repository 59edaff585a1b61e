"""`procactors serve`: the web face of a store on its own; to this host only, and read-only, unless told."""

# ruff: noqa: FBT002 - Typer makes options of parameters, by their names

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any

import typer

from procactors.cli.arguments import store_url
from procactors.cli.console import note
from procactors.cli.failure import BadInputError, CommandError, failures_as_lines
from procactors.cli.parameters import Db  # noqa: TC001 - Typer reads it
from procactors.cli.store import on_store
from procactors.manager import ProcessManager

if TYPE_CHECKING:
    from collections.abc import Callable

_PORT = 8765
_CLOSES_WITHIN_S = 5


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0: a free one")] = _PORT,
    write: Annotated[
        bool, typer.Option("--write", help="Also proceed, cancel, retry, rewind, skip, fork, pause")
    ] = False,
    db: Db = "",
) -> None:
    """Show the processes of a store in a browser.

    Only programs on this host can reach it, and nothing can be changed, unless --host and --write say so.
    """
    with failures_as_lines():
        server, listener = _server(store_url(db), host, port, may_write=write)
        shown = on_store(db, _shown)  # which says what is wrong with the store, before the server would
        address = f"[{host}]" if ":" in host else host
        note(
            f"http://{address}:{listener.getsockname()[1]}/ shows {shown}" + ("" if write else ", read-only")
        )
        if not _is_loopback(host):
            note("everybody who can reach this address can see it" + (" and change it" if write else ""))
        server.run(sockets=[listener])


async def _shown(client: ProcessManager) -> str:
    """Return what to call the store: its URL without a password."""
    return client.url


def _server(url: str, host: str, port: int, *, may_write: bool) -> tuple[Any, socket.socket]:
    """Return a server that has an address, and does not run yet."""
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from procactors.web._alone import application  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise CommandError(f"serve needs an extra ({error}): pip install 'procactors[web]'") from None
    hosts = ["localhost", "127.0.0.1", "[::1]", "::1", host] if _is_loopback(host) else ["*"]
    application_ = application(ProcessManager(url, run=False), _authorize(may_write=may_write), hosts)
    config = uvicorn.Config(
        application_, log_level="warning", access_log=False, timeout_graceful_shutdown=_CLOSES_WITHIN_S
    )
    return uvicorn.Server(config), _listener(host, port)


def _authorize(*, may_write: bool) -> Callable[[Any, str, str | None], bool]:
    return lambda _request, action, _pid: may_write or action == "read"


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise BadInputError(f"can't listen on {host}, port {port}: {error.strerror or error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
