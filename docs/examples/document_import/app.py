"""The web application: upload, list, one document with its progress, the editor's decision."""

import os
import secrets
from contextlib import asynccontextmanager
from pathlib import Path

import shelf
from importing import IMPORT
from outbox import write_mail
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates

from procactors import InvalidDataError, NotInterruptedError, ProcessManager, UnknownProcessError
from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware, process_app

BYTES_MAX = 10_000_000
EDITOR_TOKEN = os.environ.get("EDITOR_TOKEN", "")

manager = ProcessManager(f"sqlite:///{shelf.DATABASE}")
templates = Jinja2Templates(Path(__file__).with_name("templates"))


@asynccontextmanager
async def lifespan(_app):
    await shelf.open_shelf()
    async with manager:
        yield


async def index(request):
    documents = [await with_status(document) for document in await shelf.documents()]
    return templates.TemplateResponse(
        request, "index.html", {"documents": documents, **await shelf.overview()}
    )


async def upload(request):
    refuse_foreign(request)
    if int(request.headers.get("content-length", BYTES_MAX)) >= BYTES_MAX:
        raise HTTPException(413, f"a document has less than {BYTES_MAX} bytes")
    async with request.form(max_files=1) as form:
        file = form.get("file")
        if not getattr(file, "filename", None):
            raise HTTPException(400, "there is no file in it")
        name = file.filename[:200]
        document_id, path = await run_in_threadpool(shelf.keep, file.file)
    data = {
        "document": document_id,
        "name": name,
        "upload": str(path),
        "folder": str(shelf.PAGES / document_id),
    }
    async with shelf.database() as db:  # the document and its process: both, or neither
        handle = await manager.start(IMPORT, data, key=f"document {document_id}", tx=db)
        cursor = await db.execute(
            "INSERT OR IGNORE INTO documents (id, name, pid) VALUES (?, ?, ?)",
            (document_id, name, handle.pid),
        )
        if cursor.rowcount:
            defer(shelf.count_shelf, stage=Stage.PRESEND, after_commit=db)  # the next page shows it
            defer(write_mail, "editor", f"{name} was uploaded", durable=True, after_commit=db)
        await db.commit()
    return RedirectResponse(f"/documents/{document_id}", 303)


async def show(request):
    document = await document_of(request)
    return templates.TemplateResponse(
        request, "document.html", {"document": document, **await shelf.overview()}
    )


async def look(request):
    """The same for programs."""
    document = await document_of(request)
    info = document.pop("info")
    progress = info and info.progress and [info.progress.done, info.progress.total]
    return JSONResponse({**document, "progress": progress, "step": info and info.step})


async def decide(request):
    refuse_foreign(request)
    document = await document_of(request)
    async with request.form() as form:
        if not is_editors(str(form.get("token", ""))):
            raise HTTPException(403, "that is not the editor's token; the service has it as EDITOR_TOKEN")
        decision = {"approved": form.get("approved") == "yes", "note": str(form.get("note", ""))}
    try:
        await manager.proceed(document["pid"], decision)
    except (NotInterruptedError, UnknownProcessError) as error:
        raise HTTPException(409, str(error)) from error
    except InvalidDataError as error:
        raise HTTPException(422, str(error)) from error
    return RedirectResponse(f"/documents/{document['id']}", 303)


async def document_of(request):
    found = await shelf.documents(request.path_params["document_id"])
    if not found:
        raise HTTPException(404)
    return await with_status(found[0])


async def with_status(document):
    """Add how its process stands, as long as that is kept."""
    try:
        info = await manager.info(document["pid"])
    except UnknownProcessError:
        return {**document, "info": None, "status": "finished"}
    return {**document, "info": info, "status": info.status.value}


def refuse_foreign(request):
    """Refuse a form that another site has made a browser send."""
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise HTTPException(403, "this form comes from another site")


def is_editors(token):
    return bool(EDITOR_TOKEN) and secrets.compare_digest(token.encode(), EDITOR_TOKEN.encode())


def authorize(request, action, _pid):
    """Everybody may look at processes, as the pages do; what changes them takes the editor's token."""
    return action == "read" or is_editors(request.headers.get("authorization", "").removeprefix("Bearer "))


app = Starlette(
    routes=[
        Route("/", index),
        Route("/documents", upload, methods=["POST"]),
        Route("/documents/{document_id}", show),
        Route("/documents/{document_id}/decision", decide, methods=["POST"]),
        Route("/api/documents/{document_id}", look),
        Mount("/processes", process_app(manager, authorize=authorize, redact=["folder", "upload"])),
    ],
    middleware=[Middleware(DeferredMiddleware, manager=manager)],
    lifespan=lifespan,
)
