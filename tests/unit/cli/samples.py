"""Processes whose events the tests of the command line read, and how they are drawn as text."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import msgspec
from rich.console import Console

from procactors import Interrupt, Process, Retry, Step

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Decision(msgspec.Struct):
    approved: bool
    note: str = ""


async def count(data, ctx):
    for done in range(4):
        ctx.progress(done, 4, "pages")
        await anyio.sleep(1)
    return data


async def ask(data):
    return Interrupt(data, schema=Decision)


async def store(data, ctx):
    if ctx.attempt <= data.get("fails", 0):
        raise OSError("disk full")
    return data


IMPORT = Process("import", [count, ask, Step("store", store, retry=Retry(attempts=2, jitter=False))])
PLAIN = Process("plain", [count])


def console(*, width=80, height=24, terminal=True):
    return Console(width=width, height=height, force_terminal=terminal, color_system=None)


def drawn(renderable, *, soft_wrap=False, **options):
    """Return what a renderable looks like, without colours and without space at the ends of lines."""
    out = console(**options)
    with out.capture() as capture:
        out.print(renderable, soft_wrap=soft_wrap)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
