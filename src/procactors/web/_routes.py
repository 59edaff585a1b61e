"""Puts the web face together: routes, error responses, headers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from procactors.errors import ProcactorsError
from procactors.web import _body
from procactors.web._access import Access
from procactors.web._api import TYPED, Api
from procactors.web._events import Events
from procactors.web._headers import SecurityHeaders
from procactors.web._inside import Inside
from procactors.web._look import problem_page
from procactors.web._pages import Pages
from procactors.web._problems import problem_response
from procactors.web._queues import Queues
from procactors.web._redaction import Redaction
from procactors.web._start import StartPage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.web._access import Authorize
    from procactors.web._asgi import App


def routed(
    manager: ProcessManager, authorize: Authorize, processes: Iterable[Process], redact: Iterable[str]
) -> App:
    """Return the application; see `process_app`."""
    api = _api(manager, authorize, processes, redact)
    responses = _ErrorResponses(Pages(api))
    handlers: Any = dict.fromkeys((HTTPException, ProcactorsError, Exception), responses.respond)
    routes: list[Route | Mount] = [*_api_routes(api), *_page_routes(api)]
    return SecurityHeaders(Starlette(routes=routes, exception_handlers=handlers))


def endpoints(
    manager: ProcessManager, authorize: Authorize, processes: Iterable[Process], redact: Iterable[str]
) -> list[Route]:
    """Return the routes of the API alone."""
    return _api_routes(_api(manager, authorize, processes, redact))


def _api(
    manager: ProcessManager, authorize: Authorize, processes: Iterable[Process], redact: Iterable[str]
) -> Api:
    startable = {process.name: process for process in processes}
    return Api(manager, Access(authorize), Redaction(redact), startable)


def _api_routes(api: Api) -> list[Route]:
    queues = Queues(api)
    events = Events(api.manager, api.access, api.redaction)
    inside = Inside(api)
    return [
        Route("/api/events", events.of_all, methods=["GET"]),
        Route("/api/processes/{pid}/events", events.of_one, methods=["GET"]),
        Route("/api/processes", api.processes, methods=["GET"]),
        Route("/api/processes", api.start, methods=["POST"]),
        Route("/api/processes/{pid}", api.info, methods=["GET"]),
        Route("/api/processes/{pid}/{action}", api.act, methods=["POST"]),
        Route("/api/queues", queues.queues, methods=["GET"]),
        Route("/api/queues/pause", queues.pause, methods=["POST"]),
        Route("/api/queues/resume", queues.resume, methods=["POST"]),
        Route("/api/managers", api.managers, methods=["GET"]),
        Route("/api/actors", inside.actors, methods=["GET"]),
        Route("/api/deferred", inside.deferred, methods=["GET"]),
        Route("/openapi.json", api.openapi, methods=["GET"]),
    ]


def _page_routes(api: Api) -> list[Route | Mount]:
    pages, start, inside = Pages(api), StartPage(api), Inside(api)
    return [
        Route("/", pages.processes, methods=["GET"]),
        Route("/processes/{pid}", pages.process, methods=["GET"]),
        Route("/start", start.show, methods=["GET"]),
        Route("/start", start.send, methods=["POST"]),
        Route("/managers", pages.managers, methods=["GET"]),
        Route("/actors", inside.actors_page, methods=["GET"]),
        Route("/deferred", inside.deferred_page, methods=["GET"]),
        Mount("/static", StaticFiles(packages=[("procactors.web", "static")])),
    ]


class _ErrorResponses:
    """Tells people by a page, programs by problem details."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def respond(self, request: Request, error: Exception) -> Response:
        """Return the response that tells of an error; to a form about a process, its page again."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if path.startswith("/api/") and _body.content_type(request) != _body.FORM:
            return problem_response(error)
        pid, action = request.path_params.get("pid"), request.path_params.get("action")
        if TYPED in request.scope and pid and action and isinstance(error, ProcactorsError):
            with suppress(ProcactorsError, HTTPException):  # it may be gone by now
                return await self._pages.process_again(request, pid, action, error)
        return problem_page(request, error)
