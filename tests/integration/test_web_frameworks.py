"""The middleware in each web framework, in the way that the documentation shows."""

import json

import anyio
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import Http404, HttpResponse
from django.urls import path as django_path
from fastapi import FastAPI, WebSocket
from fastapi import HTTPException as FastAPIHTTPException
from fastapi.responses import JSONResponse
from litestar import Litestar, Request, get, websocket
from litestar import WebSocket as LitestarWebSocket
from litestar.exceptions import ClientException
from quart import Quart, abort
from quart import websocket as quart_websocket
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware
from tests.integration.example_servers import served, wait_for
from tests.unit.web.samples import Server, noted

LOG = []


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


def defer_all():
    defer(LOG.append, "post")
    defer(LOG.append, "pre", stage=Stage.PRESEND)
    defer(LOG.append, "always", always=True)


def work(path):
    """Do what the endpoints of all frameworks do."""
    if path != "/nothing":
        defer_all()
    if path == "/broken":
        raise ValueError("broken")


async def passing(request, call_next):
    return await call_next(request)


def starlette(refuse, **options):
    def endpoint(request):  # in a thread
        work(request.url.path)
        if request.url.path == "/missing":
            raise HTTPException(404)
        if request.url.path == "/refused":
            defer(refuse, HTTPException(409, "taken"), stage=Stage.PRESEND)
        if request.url.path == "/stream":
            return StreamingResponse(iter(["a", "b"]))
        return PlainTextResponse("fine")

    async def talk(socket):
        await socket.accept()
        defer_all()
        await socket.close()
        LOG.append("closed")

    return Starlette(
        routes=[Route("/{path}", endpoint, methods=["GET"]), WebSocketRoute("/", talk)],
        middleware=[Middleware(DeferredMiddleware)],
        **options,
    )


def starlette_wrapped(refuse):
    app = starlette(refuse)
    app.user_middleware.clear()
    return DeferredMiddleware(app)


def starlette_behind(refuse):
    app = starlette(refuse)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    return app


def starlette_before(refuse):
    app = starlette(refuse)
    app.user_middleware.append(Middleware(BaseHTTPMiddleware, dispatch=passing))
    return app


def fastapi(refuse):
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)

    @app.get("/{path}")
    async def endpoint(path: str):
        work(f"/{path}")
        if path == "missing":
            raise FastAPIHTTPException(404)
        if path == "refused":
            defer(refuse, FastAPIHTTPException(409, "taken"), stage=Stage.PRESEND)
        if path == "stream":
            return StreamingResponse(iter(["a", "b"]))
        return {"fine": True}

    @app.websocket("/")
    async def talk(socket: WebSocket):
        await socket.accept()
        defer_all()
        await socket.close()
        LOG.append("closed")

    return app


def litestar(refuse):
    @get("/{path:str}", sync_to_thread=False)
    def endpoint(request: Request) -> str:
        path = request.path_params["path"]
        work(f"/{path}")
        if path == "missing":
            raise ClientException(status_code=404)
        if path == "refused":
            defer(refuse, ClientException("taken", status_code=409), stage=Stage.PRESEND)
        return "fine"

    @websocket("/")
    async def talk(socket: LitestarWebSocket) -> None:
        await socket.accept()
        defer_all()
        await socket.close()
        LOG.append("closed")

    return DeferredMiddleware(Litestar([endpoint, talk], logging_config=None))


def quart(refuse):
    app = Quart(__name__)
    app.asgi_app = DeferredMiddleware(app.asgi_app)

    @app.get("/<path>")
    async def endpoint(path):
        work(f"/{path}")
        if path == "missing":
            abort(404)
        if path == "refused":
            defer(abort, 409, "taken", stage=Stage.PRESEND)
        return "fine"

    @app.websocket("/")
    async def talk():
        await quart_websocket.accept()
        defer_all()
        await quart_websocket.close(1000)
        LOG.append("closed")

    return app


async def django_view(request, path):
    return django_view_in_a_thread(request, path)


def django_view_in_a_thread(request, path):
    work(f"/{path}")
    if path == "missing":
        raise Http404
    return HttpResponse("fine")


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=(django_path("<path>", django_view), django_path("thread/<path>", django_view_in_a_thread)),
    SECRET_KEY="of these tests",
)


def django(refuse):
    middleware = [Middleware(DeferredMiddleware)]
    return Starlette(routes=[Mount("/", get_asgi_application())], middleware=middleware)


def django_wrapped(refuse):
    return DeferredMiddleware(get_asgi_application())


def django_in_threads(refuse):
    views = get_asgi_application()

    async def in_thread(scope, receive, send):
        await views({**scope, "path": f"/thread{scope['path']}"}, receive, send)

    return Starlette(routes=[Mount("/", in_thread)], middleware=[Middleware(DeferredMiddleware)])


def refuse(error):
    raise error


ALL_BUT_DJANGO = [
    starlette,
    starlette_wrapped,
    starlette_behind,
    starlette_before,
    fastapi,
    litestar,
    quart,
]


@pytest.fixture(
    params=[*ALL_BUT_DJANGO, django, django_wrapped, django_in_threads], ids=lambda make: make.__name__
)
def app(request):
    return request.param(refuse)


async def test_presend_runs_before_the_response_and_postsend_after_it(app, log):
    async with Server(app) as server:
        messages = await server.get("/fine", send=noted(log))
    assert messages[0]["status"] == 200
    log = [entry for entry in log if entry != "body..."]
    assert log == ["pre", "start", "body", "post", "always"]


async def test_nothing_deferred_is_nothing_done(app, log):
    async with Server(app) as server:
        messages = await server.get("/nothing")
    assert messages[0]["status"] == 200
    assert log == []


async def test_http_exception_of_the_endpoint_is_a_response_like_any_other(app, log):
    async with Server(app) as server:
        messages = await server.get("/missing", send=noted(log))
    assert messages[0]["status"] == 404
    log = [entry for entry in log if entry != "body..."]
    assert log == ["pre", "start", "body", "post", "always"]


async def test_exception_of_the_endpoint_drops_updates(app, log, caplog):
    async with Server(app) as server:
        try:
            messages = await server.get("/broken")
        except ValueError:
            pass  # Starlette's error page is sent further out, and then the server hears of it
        else:
            assert messages[0]["status"] == 500
    assert log == ["always"]
    assert caplog.text.count("is dropped") == 2


@pytest.mark.parametrize("make", ALL_BUT_DJANGO)
async def test_http_exception_of_presend_becomes_the_response(make, log):
    async with Server(make(refuse)) as server:
        messages = await server.get("/refused")
    assert messages[0]["status"] == 409
    assert [m["type"] for m in messages].count("http.response.start") == 1
    assert b"taken" in b"".join(m.get("body", b"") for m in messages)
    assert log == ["pre", "post", "always"]


@pytest.mark.parametrize("make", ALL_BUT_DJANGO)
async def test_websocket_runs_all_when_it_has_closed(make, log):
    async with Server(make(refuse)) as server:
        await server.talk(stays=True)
    assert sorted(log) == ["always", "closed", "post", "pre"]
    assert [entry for entry in log if entry != "closed"] == ["pre", "post", "always"]


@pytest.mark.parametrize("make", [starlette, fastapi, starlette_behind, starlette_before])
async def test_stream_has_presend_before_and_postsend_after_it(make, log):
    async with Server(make(refuse)) as server:
        await server.get("/stream", send=noted(log))
    assert log[:2] == ["pre", "start"]
    assert log[-3:] == ["body", "post", "always"]


async def test_http_exception_of_presend_goes_through_the_applications_own_handler(log):
    app = fastapi(refuse)

    @app.exception_handler(FastAPIHTTPException)
    async def handler(request, error):
        defer(log.append, "by the handler")
        background = BackgroundTask(log.append, "background")
        return JSONResponse(
            {"error": error.detail, "path": request.url.path}, error.status_code, background=background
        )

    async with Server(app) as server:
        messages = await server.get("/refused")
    assert json.loads(messages[1]["body"]) == {"error": "taken", "path": "/refused"}
    assert sorted(log) == ["always", "background", "by the handler", "post", "pre"]


DJANGO_SITE = """
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware
from starlette.exceptions import HTTPException

log = []

def refuse():
    raise HTTPException(409, "taken")

async def save(request):
    defer(refuse, stage=Stage.PRESEND)
    defer(log.append, "post")
    return HttpResponse("saved")

async def look(request):
    return HttpResponse(" ".join(log))

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(path("save", save), path("look", look)), SECRET_KEY="x")
app = DeferredMiddleware(get_asgi_application())
"""


def test_http_exception_of_presend_becomes_djangos_response_too(tmp_path):
    # In a program of its own, as Django leaves the request's body to the garbage collector then, which warns.
    (tmp_path / "site_of_django.py").write_text(DJANGO_SITE)
    with served("site_of_django:app", tmp_path, tmp_path) as client:
        refused = client.get("/save")
        assert (refused.status_code, refused.text) == (409, "taken")
        assert wait_for(lambda: client.get("/look").text, lambda text: text) == "post"


async def test_fastapi_shows_it_as_its_own_http_exceptions(log):
    async with Server(fastapi(refuse)) as server:
        messages = await server.get("/refused")
    assert json.loads(messages[1]["body"]) == {"detail": "taken"}


async def test_litestar_shows_it_as_its_own_http_exceptions(log):
    async with Server(litestar(refuse)) as server:
        messages = await server.get("/refused")
    assert json.loads(messages[1]["body"]) == {"status_code": 409, "detail": "taken"}


async def test_stream_behind_the_start_is_left_when_presend_refuses(log):
    closed = anyio.Event()

    async def chunks():
        try:
            while True:
                yield b"x"
                await anyio.lowlevel.checkpoint()
        finally:
            closed.set()

    def endpoint(_request):
        defer(refuse, HTTPException(409), stage=Stage.PRESEND)
        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(DeferredMiddleware)])
    async with Server(app) as server:
        messages = await server.get("/")
    assert messages[0]["status"] == 409
    assert not closed.is_set()  # it was never begun
