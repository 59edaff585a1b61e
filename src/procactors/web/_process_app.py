"""The web face of a manager, an ASGI application to mount anywhere. It is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.web._asgi import App


def allow_all(_request: Any, _action: str, _pid: str | None) -> bool:
    """Let everybody do everything: for an application that only those can reach who may do that."""
    return True


def process_app(
    manager: ProcessManager,
    *,
    authorize: Callable[[Any, str, str | None], bool | Awaitable[bool]],
    processes: Iterable[Process] = (),
    redact: Iterable[str] = (),
) -> App:
    """Return the JSON API, event streams and pages of a manager, as an ASGI application.

    `app.mount("/processes", process_app(manager, authorize=...))`, or on its own. It answers as long as the
    manager is open; opening and closing it stays with the application.

    Args:
        manager: Whose processes; a client (`run=False`) will do.
        authorize: `authorize(request, action, pid)`, plain or async, says whether the request may do that.
            Actions are "read", "start", "proceed", "cancel", "retry", "rewind", "skip", "fork", "pause". What
            may not be read is not listed, and answers 404. The pid is None for "start", "pause" and what
            concerns all processes: managers, queues, actors, deferred updates, the number of processes. An
            exception of the framework's for HTTP errors becomes the response. `allow_all` opens it to all
            who can reach it.
        processes: The definitions that may be started by name.
        redact: Names of fields whose values are never shown, at any depth of data, outputs, questions and
            arguments, whatever their case. Errors are shown as they are: keep secrets out of messages.

    Raises:
        TypeError: `authorize` is missing, or no function.
        ImportError: The extra is not installed: `pip install "procactors[web]"`.
    """
    _check(authorize, redact)
    try:
        from procactors.web._routes import routed  # noqa: PLC0415 - the middleware works without the extra
    except ModuleNotFoundError as error:
        hint = f'process_app needs an extra ({error}): pip install "procactors[web]"'
        raise ImportError(hint) from error
    return routed(manager, authorize, processes, redact)


def process_router(
    manager: ProcessManager,
    *,
    authorize: Callable[[Any, str, str | None], bool | Awaitable[bool]],
    processes: Iterable[Process] = (),
    redact: Iterable[str] = (),
) -> Any:
    """Return the JSON API and event streams as a router of FastAPI, which then documents them as its own.

    `app.include_router(process_router(manager, authorize=...), prefix="/jobs")`. It has no pages.

    Args:
        manager: As for `process_app`.
        authorize: As for `process_app`.
        processes: As for `process_app`.
        redact: As for `process_app`.

    Raises:
        TypeError: As for `process_app`.
        ImportError: FastAPI is not installed.
    """
    _check(authorize, redact)
    try:
        from procactors.web._router import router  # noqa: PLC0415 - the middleware works without the extra
    except ModuleNotFoundError as error:
        hint = f'process_router needs more ({error}): pip install "procactors[web]" fastapi'
        raise ImportError(hint) from error
    return router(manager, authorize, processes, redact)


def _check(authorize: Any, redact: Any) -> None:
    if not callable(authorize):
        problem = (
            "the web face wants authorize=, a function authorize(request, action, pid) that says"
            " who may do what; authorize=allow_all opens it to everybody"
        )
        raise TypeError(problem)
    if isinstance(redact, str):
        raise TypeError(f"redact is several names, not one text: redact=[{redact!r}]")
