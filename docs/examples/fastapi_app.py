"""FastAPI: start an article, follow it in a page with a progress bar, decide on it.

Three faces of one manager: endpoints of your own, procactors' API as a router (`/jobs`, in FastAPI's `/docs`;
its event streams feed the page), and procactors' own pages (`/processes`).
"""

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from publishing import PUBLISH
from pydantic import BaseModel

from procactors import InvalidDataError, NotInterruptedError, ProcessManager, UnknownProcessError
from procactors.web import process_app, process_router

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))
app = FastAPI(lifespan=manager.lifespan)


class Article(BaseModel):
    title: str


class Answer(BaseModel):
    approved: bool
    note: str = ""


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_name("article.html"))


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
async def decide(pid: str, answer: Answer) -> dict[str, str]:  # a real application asks here who that is
    try:
        await manager.proceed(pid, answer.model_dump())
    except UnknownProcessError as error:
        raise HTTPException(404, str(error)) from error
    except NotInterruptedError as error:
        raise HTTPException(409, str(error)) from error
    except InvalidDataError as error:
        raise HTTPException(422, str(error)) from error
    return {"pid": pid}


def authorize(request, action, _pid):
    """Everybody may look; to change something takes the editor's token, and without one set nobody may."""
    token = os.environ.get("EDITOR_TOKEN")
    is_editor = bool(token) and request.headers.get("authorization") == f"Bearer {token}"
    return action == "read" or is_editor


app.include_router(process_router(manager, authorize=authorize, processes=[PUBLISH]), prefix="/jobs")
app.mount("/processes", process_app(manager, authorize=authorize, processes=[PUBLISH]))
