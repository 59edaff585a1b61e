"""The middleware around an application: a scope for each connection, a scheduler for the lifespan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from procactors.deferred import DeferredScheduler
from procactors.deferred._scheduler import check_drain
from procactors.errors import InvalidDataError, InvalidDefinitionError, NoDeferredScopeError
from procactors.web._django import listen_to_django
from procactors.web._lifespan import Lifespan
from procactors.web._quart import listen_to_quart
from procactors.web._request import RequestScope
from procactors.web._scope import Deferral, WebsocketScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.web._asgi import App, Receive, Scope, Send


class DeferredMiddleware:
    """Runs what a request has deferred: PRESEND before its response starts, POSTSEND after its last byte.

    Pure ASGI, for any framework. It needs the application's lifespan, in which its scheduler lives, so it
    goes where lifespan events pass: `app.add_middleware(DeferredMiddleware)` in Starlette and FastAPI,
    `app = DeferredMiddleware(app)` around Litestar and Django,
    `app.asgi_app = DeferredMiddleware(app.asgi_app)` in Quart.

    * PRESEND runs in the request's task; the first HTTP exception that it raises becomes the response.
      What is deferred to PRESEND when the response has started runs with POSTSEND.
    * Durable updates are in the manager's store before the response starts.
    * POSTSEND runs in a task of its own: it holds back neither the connection nor the next request on it,
      and a client that goes away can't cancel it.
    * An HTTP exception of the application is a response like any other. If the request ends by a server
      error, is cancelled before its response starts, or has none, its updates are dropped, and logged by
      their origin, but for those deferred with `always=True`.
    * A websocket's updates all run when it has closed.
    * At shutdown POSTSEND is drained, before the application's own shutdown begins; what is left becomes
      durable processes of the manager where it can (enqueueable updates, functions of modules with
      JSON-able arguments), else it is logged by its origin.

    Source: MediaWiki::preOutputCommit and doPostOutputShutdown.
    """

    def __init__(self, app: App, manager: Any = None, drain_s: float = 10) -> None:
        """Wrap an application.

        Args:
            app: An ASGI 3 application.
            manager: A process manager, which takes enqueueable, durable and left-over updates; it may be
                opened in the application's own lifespan. None: there is none.
            drain_s: How many seconds the shutdown may take to run what is left, >= 0.

        Raises:
            TypeError: `app` can't be called, or `manager` is none.
            ValueError: `drain_s` is no number of seconds, 0 or more.
        """
        if not callable(app):
            problem = f"DeferredMiddleware is put around an ASGI application, not {app!r}"
            raise TypeError(problem)
        if manager is not None and not hasattr(manager, "start"):
            problem = f"manager must be a ProcessManager, not {manager!r}"
            raise TypeError(problem)
        check_drain(drain_s)
        self._app = app
        self._drain_s = drain_s
        self._deferral = Deferral(manager)
        self._rescue = None if manager is None else _rescuer(manager)
        listen_to_quart()
        listen_to_django()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, or the lifespan.

        Raises:
            NoDeferredScopeError: The application gets requests without its lifespan.

        Cancellation: before its response starts a request's updates are dropped, later they run.
        """
        kind = scope["type"]
        if kind == "http":
            if self._deferral.scheduler is None:
                self._refuse()
            with RequestScope(self._deferral, scope, receive, send) as request:
                try:
                    await self._app(scope, receive, request.send)
                except BaseException as error:
                    if not await request.failed(error):
                        raise
                else:
                    if not request.is_over:
                        request.returned()
        elif kind == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._deferral.scheduler is None:
            self._refuse()
        with WebsocketScope(self._deferral, scope, receive, send) as websocket:
            try:
                await self._app(scope, receive, websocket.send)
            except BaseException as error:
                websocket.failed(error)
                raise
            websocket.hand_on()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheduler = DeferredScheduler(drain_s=self._drain_s, rescue=self._rescue, name="responses")
        if hasattr(self._deferral.manager, "show_scheduler"):
            self._deferral.manager.show_scheduler(scheduler)
        async with scheduler:
            self._deferral.scheduler = scheduler
            try:
                await Lifespan(scheduler, receive, send).serve(self._app, scope)
            finally:
                self._deferral.scheduler = None

    @staticmethod
    def _refuse() -> NoReturn:
        problem = (
            "DeferredMiddleware got a request, but no lifespan: nobody would run what is deferred. Put it"
            " where lifespan events pass (add_middleware in Starlette and FastAPI, around the whole"
            " application elsewhere), and run the application with its lifespan: not --lifespan off, and in"
            " tests `with TestClient(app)`"
        )
        raise NoDeferredScopeError(problem)


def _rescuer(manager: Any) -> Callable[[Any], Awaitable[bool]]:
    """Return what makes a durable process of an update that the shutdown has cut off, if it can be one."""

    async def rescue(update: Any) -> bool:
        try:
            await manager.keep_update(update)
        except (InvalidDefinitionError, InvalidDataError):
            return False
        return True

    return rescue
