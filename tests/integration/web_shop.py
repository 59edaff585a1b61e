"""Processes for the tests of the web face, and a client of it without a server between."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import httpx
import msgspec

from procactors import Interrupt, ManagerOptions, Process, ProcessManager, Step
from procactors.web import process_app

HASTY = ManagerOptions(grace_s=0.1)  # what lasts for ever gets no more to end
HOST = "http://shop.test"
UNKNOWN_PID = "0199e7a1c0de70008000000000000000"


class Decision(msgspec.Struct):
    approved: bool
    note: str = ""
    amount: int = 1


async def count(data):
    return {**data, "count": data.get("count", 0) + 1}


async def ask(data):
    return Interrupt(data, schema=Decision)


async def ask_anything(data):
    return Interrupt(data)


async def break_down(data):
    if not data.get("mended"):
        raise ValueError("broken <b>down</b>")
    return data


async def wait(data, ctx):
    ctx.progress(1, 2, "turns")
    await anyio.sleep_forever()


async def run_child(data, ctx):
    return await ctx.run(QUICK, data)


QUICK = Process("quick", [count, Step("again", count)])
ASKING = Process("asking", [ask, count])
OPEN = Process("open", [ask_anything, count])
BROKEN = Process("broken", [count, break_down])
LASTING = Process("lasting", [wait])
PARENT = Process("parent", [run_child])
ALL = (QUICK, ASKING, OPEN, BROKEN, LASTING, PARENT)


def client_of(app, **headers):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers)


@asynccontextmanager
async def shop(authorize, **options):
    """Yield a manager in memory and a client of its web face."""
    async with ProcessManager("memory://", options=HASTY) as manager:
        app = process_app(manager, authorize=authorize, processes=ALL, **options)
        async with client_of(app) as client:
            yield manager, client


async def until(manager, pid, *statuses):
    """Return the process as soon as it has one of these statuses."""
    async with manager.subscribe(pid) as events:
        async for _ in events:
            info = await manager.info(pid)
            if info.status in statuses:
                return info
    info = await manager.info(pid)
    assert info.status in statuses
    return info
