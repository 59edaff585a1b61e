"""What is inside the manager that serves the pages: its actors, and its schedulers of deferred updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.web._api import json_response
from procactors.web._deferred_state import DeferredState, by_origin, state_of
from procactors.web._look import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.web._api import Api

_ROWS_MAX = 500
_FAILURES_MAX = 200


class Inside:
    """The endpoints, each as JSON and as a page."""

    def __init__(self, api: Api) -> None:
        """Show the manager of `api`."""
        self._api = api

    async def actors(self, request: Request) -> Response:
        """Return its actors, supervisors before what is below them."""
        await self._api.access.require(request, "read")
        return json_response(self._api.manager.tree())

    async def deferred(self, request: Request) -> Response:
        """Return how deferred updates stand."""
        return json_response(await self._deferred(request))

    async def actors_page(self, request: Request) -> Response:
        """Show its actors as a tree."""
        await self._api.access.require(request, "read")
        tree = self._api.manager.tree()
        return page(
            request,
            "actors.html",
            **await self._api.around(request),
            rows=tree[:_ROWS_MAX],
            left_out=max(0, len(tree) - _ROWS_MAX),
            manager=self._api.manager,
        )

    async def deferred_page(self, request: Request) -> Response:
        """Show how deferred updates stand."""
        state = await self._deferred(request)
        return page(
            request,
            "deferred.html",
            **await self._api.around(request),
            state=state,
            by_origin=by_origin(state.failures),
            is_cut=len(state.failures) >= _FAILURES_MAX,
            manager=self._api.manager,
        )

    async def _deferred(self, request: Request) -> DeferredState:
        access, manager = self._api.access, self._api.manager
        await access.require(request, "read")
        failures = await manager.deferred_failures(_FAILURES_MAX)
        return DeferredState(
            [state_of(one) for one in manager.schedulers()],
            [event for event in failures if await access.may(request, "read", event.pid)],
        )
