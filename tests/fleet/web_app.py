"""A web application that several uvicorn workers serve: each has a manager on the environment's store."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.routing import Mount

from procactors import Process, ProcessManager, step
from procactors.web import allow_all, health_app, process_app


@step
async def pass_gate(data):
    """Wait until the test makes a file, if the data names one."""
    while "gate" in data and not Path(data["gate"]).exists():  # noqa: ASYNC110, ASYNC240 - another OS process
        await anyio.sleep(0.02)
    return data


@step
async def add(data):
    return {"n": data["n"] + 1}


PROCESS = Process("served", [pass_gate, add], timeout=None)
manager = ProcessManager(os.environ.get("WEB_URL", "memory://"))
app = Starlette(
    routes=[
        Mount("/health", health_app(manager)),
        Mount("/", process_app(manager, authorize=allow_all, processes=[PROCESS])),
    ],
    lifespan=manager.lifespan,
)
