"""Starlette: start an article, look at it, decide on it."""

import os

from publishing import PUBLISH
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from procactors import NotInterruptedError, ProcessManager, UnknownProcessError

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))


async def submit(request):
    article = await request.json()
    handle = await manager.start(PUBLISH, article, key=f"publish {article['title']}")
    return JSONResponse({"pid": handle.pid}, status_code=202)


async def look(request):
    info = await manager.info(request.path_params["pid"])
    return JSONResponse({"status": info.status, "output": info.output})


async def decide(request):
    pid = request.path_params["pid"]
    await manager.proceed(pid, await request.json())
    return JSONResponse({"pid": pid}, status_code=202)


async def unknown(_request, error):
    return JSONResponse({"error": str(error)}, status_code=404)


async def too_late(_request, error):
    return JSONResponse({"error": str(error)}, status_code=409)


app = Starlette(
    routes=[
        Route("/articles", submit, methods=["POST"]),
        Route("/articles/{pid}", look),
        Route("/articles/{pid}/decision", decide, methods=["POST"]),
    ],
    exception_handlers={UnknownProcessError: unknown, NotInterruptedError: too_late},
    lifespan=manager.lifespan,
)
