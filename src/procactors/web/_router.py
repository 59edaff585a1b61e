"""The API as routes of a FastAPI application, which shows them in its own documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from procactors.errors import ProcactorsError
from procactors.web._headers import HEADERS
from procactors.web._openapi import document
from procactors.web._problems import problem_response
from procactors.web._routes import endpoints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.routing import Route

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.web._access import Authorize


def router(
    manager: ProcessManager, authorize: Authorize, processes: Iterable[Process], redact: Iterable[str]
) -> APIRouter:
    """Return the router; see `process_router`."""
    found = APIRouter(tags=["processes"])
    routes = endpoints(manager, authorize, processes, redact)
    described = document("/")
    schemas = described["components"]["schemas"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            found.add_api_route(
                path,
                _endpoint(_route(routes, path, method)),
                methods=[method.upper()],
                status_code=int(min(operation["responses"])),
                response_model=None,
                response_class=Response,
                summary=operation["summary"],
                operation_id=operation["operationId"],
                openapi_extra=_inlined(operation, schemas),
            )
    return found


def _route(routes: list[Route], path: str, method: str) -> Route:
    """Return the route that a documented path leads to."""
    template = path if path.endswith("/events") or "{pid}/" not in path else "/api/processes/{pid}/{action}"
    return next(
        route for route in routes if route.path == template and method.upper() in (route.methods or ())
    )


def _endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint for FastAPI, which has a place of its own and other ways to tell of errors."""
    serve: Any = route.endpoint
    depth = route.path.count("/")

    async def endpoint(request: Request) -> Response:
        parts = request.scope["path"].split("/")
        parameters = {**request.path_params}
        if route.path.endswith("{action}"):
            parameters["action"] = parts[-1]
        scope = {**request.scope, "root_path": "/".join(parts[:-depth]), "path_params": parameters}
        try:
            response: Response = await serve(Request(scope, request.receive))
        except (ProcactorsError, HTTPException) as error:
            response = problem_response(error)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return endpoint


def _inlined(part: Any, schemas: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    """Return a part of the description without references, which lead nowhere in another document.

    What is within itself, as a cause is within its error, is an object there.
    """
    if isinstance(part, dict):
        if "$ref" not in part:
            return {key: _inlined(value, schemas, within) for key, value in part.items()}
        name = part["$ref"].rpartition("/")[2]
        if name in within:
            return {"type": "object", "title": name}
        return _inlined(schemas[name], schemas, (*within, name))
    return [_inlined(one, schemas, within) for one in part] if isinstance(part, list) else part
