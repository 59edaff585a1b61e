"""Litestar: start an article, look at it, decide on it."""

import os
from typing import Any

from litestar import Litestar, Response, get, post
from litestar.params import FromPath, JSONBody
from publishing import PUBLISH, Decision

from procactors import NotInterruptedError, ProcessManager, UnknownProcessError

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))


@post("/articles", status_code=202)
async def submit(data: JSONBody[dict[str, str]]) -> dict[str, str]:
    handle = await manager.start(PUBLISH, data, key=f"publish {data['title']}")
    return {"pid": handle.pid}


@get("/articles/{pid:str}")
async def look(pid: FromPath[str]) -> dict[str, Any]:
    info = await manager.info(pid)
    return {"status": info.status.value, "output": info.output}


@post("/articles/{pid:str}/decision", status_code=202)
async def decide(pid: FromPath[str], data: JSONBody[Decision]) -> dict[str, str]:
    await manager.proceed(pid, {"approved": data.approved, "note": data.note})
    return {"pid": pid}


def unknown(_request: Any, error: Exception) -> Response[dict[str, str]]:
    return Response({"error": str(error)}, status_code=404)


def too_late(_request: Any, error: Exception) -> Response[dict[str, str]]:
    return Response({"error": str(error)}, status_code=409)


app = Litestar(
    [submit, look, decide],
    lifespan=[manager.lifespan],
    exception_handlers={UnknownProcessError: unknown, NotInterruptedError: too_late},
)
