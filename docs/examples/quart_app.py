"""Quart: start an article, look at it, decide on it."""

import os

from publishing import PUBLISH
from quart import Quart, request

from procactors import NotInterruptedError, ProcessManager, UnknownProcessError

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))
app = Quart(__name__)


@app.while_serving
async def run_processes():
    async with manager:
        yield


@app.post("/articles")
async def submit():
    article = await request.get_json()
    handle = await manager.start(PUBLISH, article, key=f"publish {article['title']}")
    return {"pid": handle.pid}, 202


@app.get("/articles/<pid>")
async def look(pid):
    info = await manager.info(pid)
    return {"status": info.status, "output": info.output}


@app.post("/articles/<pid>/decision")
async def decide(pid):
    await manager.proceed(pid, await request.get_json())
    return {"pid": pid}, 202


@app.errorhandler(UnknownProcessError)
async def unknown(error):
    return {"error": str(error)}, 404


@app.errorhandler(NotInterruptedError)
async def too_late(error):
    return {"error": str(error)}, 409
