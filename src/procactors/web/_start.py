"""The page with the form that starts a process by its name; if it can't be, the form comes back filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from procactors._ids import checked_pid
from procactors.errors import ProcactorsError
from procactors.web import _body
from procactors.web._forgery import refuse_foreign, remember, token_for
from procactors.web._forms import json_in
from procactors.web._look import page
from procactors.web._problems import headers_of, problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.web._api import Api


class StartPage:
    """The endpoints."""

    def __init__(self, api: Api) -> None:
        """Start what `api` may start."""
        self._api = api

    async def show(self, request: Request) -> Response:
        """Show the form; `?name=` chooses a definition, `?started=` is the pid of the one just started."""
        await self._require(request)
        started = request.query_params.get("started")
        typed = {"name": request.query_params.get("name", "")}
        return await self._form(request, typed, started=checked_pid(started) if started else None)

    async def send(self, request: Request) -> Response:
        """Start what is filled in, and go to its page."""
        refuse_foreign(request)
        await self._require(request)
        if _body.content_type(request) != _body.FORM:
            raise HTTPException(415, "this is for the form on this page; programs use the API")
        form = await self._api.form(request)
        try:
            pid = await self._started(form)
        except ProcactorsError as error:
            return await self._form(request, form, error)
        root = request.scope.get("root_path", "")
        may_read = await self._api.access.may(request, "read", pid)
        return RedirectResponse(f"{root}/processes/{pid}" if may_read else f"{root}/start?started={pid}", 303)

    async def _require(self, request: Request) -> None:
        await self._api.access.require(request, "start")
        if not self._api.names:
            raise HTTPException(404, "no process may be started here")

    async def _started(self, form: Mapping[str, str]) -> str:
        text = form.get("data", "")
        data = json_in("data", text) if text.strip() else None
        wanted = _body.Start(form.get("name", ""), data, form.get("key", "").strip() or None)
        return (await self._api.begin(wanted))[0]

    async def _form(
        self,
        request: Request,
        typed: Mapping[str, str],
        error: ProcactorsError | None = None,
        started: str | None = None,
    ) -> Response:
        problem = None if error is None else problem_of(error)
        token = token_for(request)
        response = page(
            request,
            "start.html",
            200 if problem is None else problem.status,
            **await self._api.around(request),
            names=self._api.names,
            typed=typed,
            problem=problem,
            started=started,
            token=token,
        )
        if error is not None and problem is not None:
            response.headers.update(headers_of(error, problem))
        remember(response, request, token)
        return response
