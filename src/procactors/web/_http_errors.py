"""HTTP exceptions of web frameworks: which errors are such, and how one becomes a response.

They are known by their shape, so that no framework has to be installed: a class called `HTTPException`
(Starlette's, FastAPI's, Litestar's, Werkzeug's and so Quart's) with a status. An application on Starlette
has its own handlers for them; these are used, so that such a response looks like any other of its errors.
"""

from __future__ import annotations

import importlib
import json
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from procactors.web._asgi import App, Receive, Scope, Send

_WITHOUT_BODY = (204, 304)


def status_of(error: BaseException) -> int | None:
    """Return the status of an HTTP exception; None if the error is not one."""
    if _is_called(error, "HTTPException"):
        for name in ("status_code", "code"):
            status = getattr(error, name, None)
            if isinstance(status, int):
                return status
    return None


def is_http_error(error: BaseException) -> bool:
    """Tell whether an error is an HTTP exception, which a client may be shown."""
    return status_of(error) is not None


def is_said_to_websocket(error: BaseException) -> bool:
    """Tell whether an error is one by which a websocket ends as it was meant to."""
    return is_gone(error) or _is_called(error, "WebSocketException")


def is_gone(error: BaseException) -> bool:
    """Tell whether an error says that the client has gone away."""
    return _is_called(error, "ClientDisconnect") or _is_called(error, "WebSocketDisconnect")


def _is_called(error: BaseException, name: str) -> bool:
    return any(cls.__name__ == name for cls in type(error).__mro__)


async def respond(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the response that an HTTP exception stands for.

    Cancellation: a part of it may have been sent.
    """
    response = await _handled(error, scope, receive, send)
    if response is not None:
        await response(scope, receive, send)
        return
    status = status_of(error) or 500
    body, content_type = (b"", None) if status in _WITHOUT_BODY else _body_of(error, status)
    headers = [(b"content-length", str(len(body)).encode())]
    if content_type is not None:
        headers.append((b"content-type", content_type))
    headers += [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _headers_of(error)
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _handled(error: Exception, scope: Scope, receive: Receive, send: Send) -> App | None:
    """Return what a Starlette application's own handler makes of an error, if it has one."""
    by_class: Mapping[Any, Any]
    by_status: Mapping[Any, Any]
    by_class, by_status = scope.get("starlette.exception_handlers", ({}, {}))
    handler = by_status.get(status_of(error))
    if handler is None:
        handler = next((by_class[cls] for cls in type(error).__mro__ if cls in by_class), None)
    if handler is None:
        return None
    request = importlib.import_module("starlette.requests").Request(scope, receive, send)
    if iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        response = handler(request, error)
    else:
        response = await run_sync(handler, request, error)
    answer: App | None = await response if isawaitable(response) else response
    return answer


def _body_of(error: Any, status: int) -> tuple[bytes, bytes]:
    if hasattr(error, "get_body"):
        return error.get_body().encode(), b"text/html; charset=utf-8"
    detail = getattr(error, "detail", "")
    if type(error).__module__.startswith("litestar"):
        content = {"status_code": status, "detail": detail}
        if getattr(error, "extra", None):
            content["extra"] = error.extra
        return json.dumps(content, default=str).encode(), b"application/json"
    return str(detail).encode(), b"text/plain; charset=utf-8"


def _headers_of(error: Any) -> Iterable[tuple[str, str]]:
    headers = dict(getattr(error, "headers", None) or {})
    if hasattr(error, "get_headers"):
        headers = dict(error.get_headers())
    dropped = {"content-length", "content-type"}
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]
