"""FastAPI: start an article, follow it live, decide on it; the web face is mounted at /processes."""

import os
from collections.abc import AsyncIterator

import msgspec
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from publishing import PUBLISH
from pydantic import BaseModel

from procactors import InvalidDataError, NotInterruptedError, ProcessManager, UnknownProcessError
from procactors.web import process_app

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))
app = FastAPI(lifespan=manager.lifespan)


class Article(BaseModel):
    title: str


class Answer(BaseModel):
    approved: bool
    note: str = ""


@app.post("/articles", status_code=202)
async def submit(article: Article) -> dict[str, str]:
    handle = await manager.start(PUBLISH, article.model_dump(), key=f"publish {article.title}")
    return {"pid": handle.pid}


@app.get("/articles/{pid}")
async def look(pid: str) -> dict[str, object]:
    try:
        info = await manager.info(pid)
    except UnknownProcessError as error:
        raise HTTPException(404, str(error)) from error
    return {"status": info.status.value, "output": info.output}


@app.post("/articles/{pid}/decision", status_code=202)
async def decide(pid: str, answer: Answer) -> dict[str, str]:
    try:
        await manager.proceed(pid, answer.model_dump())
    except UnknownProcessError as error:
        raise HTTPException(404, str(error)) from error
    except NotInterruptedError as error:
        raise HTTPException(409, str(error)) from error
    except InvalidDataError as error:
        raise HTTPException(422, str(error)) from error
    return {"pid": pid}


@app.get("/articles/{pid}/events")
async def follow(pid: str) -> StreamingResponse:
    try:
        await manager.info(pid)
    except UnknownProcessError as error:
        raise HTTPException(404, str(error)) from error
    return StreamingResponse(messages(pid), media_type="text/event-stream")


async def messages(pid: str) -> AsyncIterator[bytes]:
    async with manager.subscribe(pid) as events:
        async for event in events:
            data = msgspec.json.encode(event)
            yield f"id: {event.seq}\nevent: {type(event).__name__}\ndata: ".encode() + data + b"\n\n"


def authorize(request, _action, _pid):
    """Who has the editor's token may do everything; without one set, nobody may do anything."""
    token = os.environ.get("EDITOR_TOKEN")
    return bool(token) and request.headers.get("authorization") == f"Bearer {token}"


app.mount("/processes", process_app(manager, authorize=authorize, processes=[PUBLISH]))
