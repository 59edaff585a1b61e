"""Queues, over HTTP: how the processes of each definition stand, and pausing and resuming them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from procactors.web import _body
from procactors.web._api import json_response
from procactors.web._forgery import refuse_foreign

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.web._api import Api


class Queues:
    """The endpoints."""

    def __init__(self, api: Api) -> None:
        """Serve the queues of the manager of `api`."""
        self._api = api

    async def queues(self, request: Request) -> Response:
        """Return how the processes of each name stand; the first, without a name, is of all together."""
        await self._api.access.require(request, "read")
        return await self._now()

    async def pause(self, request: Request) -> Response:
        """Let no process of a name begin to run; without a name, none at all."""
        name, response = await self._wanted(request)
        await self._api.manager.pause(name)
        return response or await self._now()

    async def resume(self, request: Request) -> Response:
        """Let the processes of a name run again."""
        name, response = await self._wanted(request)
        await self._api.manager.resume(name)
        return response or await self._now()

    async def _wanted(self, request: Request) -> tuple[str | None, Response | None]:
        """Return the name, and what to answer to a form."""
        refuse_foreign(request)
        await self._api.access.require(request, "pause")
        if _body.content_type(request) != _body.FORM:
            return (await self._api.sent(request, _body.Queue)).name, None
        form = await self._api.form(request)
        back = RedirectResponse(f"{request.scope.get('root_path', '')}/managers", 303)
        return form.get("name") or None, back

    async def _now(self) -> Response:
        return json_response(await self._api.manager.queues())
