"""Puts the web face together: routes, error responses, headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from procactors.errors import ProcactorsError
from procactors.web import _body
from procactors.web._access import Access
from procactors.web._api import Api
from procactors.web._events import Events
from procactors.web._headers import SecurityHeaders
from procactors.web._pages import Pages, problem_page
from procactors.web._problems import problem_response
from procactors.web._queues import Queues
from procactors.web._redaction import Redaction

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
    handlers: Any = dict.fromkeys((HTTPException, ProcactorsError, Exception), _failed)
    routes: list[Route | Mount] = [*_api_routes(api), *_page_routes(Pages(api))]
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
        Route("/openapi.json", api.openapi, methods=["GET"]),
    ]


def _page_routes(pages: Pages) -> list[Route | Mount]:
    return [
        Route("/", pages.processes, methods=["GET"]),
        Route("/processes/{pid}", pages.process, methods=["GET"]),
        Route("/managers", pages.managers, methods=["GET"]),
        Mount("/static", StaticFiles(packages=[("procactors.web", "static")])),
    ]


async def _failed(request: Request, error: Exception) -> Response:
    """Tell people by a page, programs by problem details."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    is_for_programs = path.startswith("/api/") and _body.content_type(request) != _body.FORM
    return problem_response(error) if is_for_programs else problem_page(request, error)
