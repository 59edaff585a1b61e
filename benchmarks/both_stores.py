"""Fresh stores of both kinds for a benchmark: files in its folder, and schemas on a server of its own.

The server is like the tests', with fsync on, on the same disk and cores as all else, over a Unix socket, so
that no network is measured.
"""

from __future__ import annotations

import itertools
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import workload

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

sys.path.append(str(Path(__file__).parents[1]))
from tests.postgres import postgres_server

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
BESIDE = "the same on SQLite"
ON_SERVER = "PostgreSQL fsync on"


@contextmanager
def both_stores(args: argparse.Namespace) -> Iterator[dict[str, Callable[[], str]]]:
    """Give for each kind, SQLite first, what makes the URL of a store that is not there yet."""
    numbers = itertools.count()
    with postgres_server("fsync=on") as server, ExitStack() as files:
        yield {
            SQLITE: lambda: workload.url_of(files.enter_context(workload.fresh_database(args)), args),
            POSTGRES: lambda: server.url(f"bench{next(numbers)}"),
        }


def durability_on(kind: str, args: argparse.Namespace) -> str:
    """Return what a commit means there, for the figures."""
    return ON_SERVER if kind == POSTGRES else workload.durability(args)
