"""The JSON API: each endpoint asks who may, reads what is wanted, calls the manager, and says what is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from procactors._ids import checked_pid
from procactors.errors import InvalidDefinitionError, KeyConflictError
from procactors.web import _body
from procactors.web._forgery import check_token, refuse_foreign
from procactors.web._forms import filled_in, said_in
from procactors.web._listing import page_of, query_in
from procactors.web._members import members_of
from procactors.web._openapi import document
from procactors.web._verbs import VERBS

if TYPE_CHECKING:
    from starlette.requests import Request

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.web._access import Access, Action
    from procactors.web._redaction import Redaction


T = TypeVar("T")
TYPED = "procactors.typed"
"""Where in the scope of a request stands what was filled into its form."""


class Api:
    """The endpoints."""

    def __init__(
        self, manager: ProcessManager, access: Access, redaction: Redaction, processes: dict[str, Process]
    ) -> None:
        """Serve a manager's processes, and start those of `processes`."""
        self.manager = manager
        self.access = access
        self.redaction = redaction
        self._startable = processes

    @property
    def names(self) -> list[str]:
        """The names of the processes that may be started."""
        return list(self._startable)

    # Reading.

    async def processes(self, request: Request) -> Response:
        """Return processes, the newest first; the Link header leads to the next page."""
        query = query_in(request)
        page = await page_of(self.manager, self.access, request, query)
        links = (
            {} if page.next_after is None else {"link": f'<{query.link(after=page.next_after)}>; rel="next"'}
        )
        found = [self.redaction.document(msgspec.to_builtins(info)) for info in page.infos]
        return json_response(found, headers=links)

    async def info(self, request: Request) -> Response:
        """Return all about a process."""
        pid = checked_pid(request.path_params["pid"])
        await self.access.require(request, "read", pid)
        return await self._described(pid)

    async def managers(self, request: Request) -> Response:
        """Return the managers and clients on the store."""
        await self.access.require(request, "read")
        return json_response(await members_of(self.manager, self.access, request))

    async def openapi(self, request: Request) -> Response:
        """Return the description of this API."""
        return json_response(document(request.scope.get("root_path") or "/"))

    # Changing.

    async def start(self, request: Request) -> Response:
        """Start a process by the name of its definition."""
        refuse_foreign(request)
        await self.access.require(request, "start")
        pid, is_new = await self.begin(await self.sent(request, _body.Start))
        status = 201 if is_new else 200
        if not await self.access.may(request, "read", pid):
            return json_response({"pid": pid}, status)
        return await self._described(pid, status, _place(request, pid))

    async def act(self, request: Request) -> Response:
        """Do something about a process, and return all about it (of a fork: about the new one)."""
        action: Action = request.path_params["action"]
        verb = VERBS.get(action)
        if verb is None:
            raise HTTPException(404)
        refuse_foreign(request)
        pid = checked_pid(request.path_params["pid"])
        await self.access.require(request, action, pid)
        is_form = _body.content_type(request) == _body.FORM
        body: Any = await (
            self._filled_in(request, pid, action) if is_form else self.sent(request, verb.body)
        )
        found = await verb.act(self.manager, pid, body)
        if is_form:
            return RedirectResponse(f"{request.scope.get('root_path', '')}/processes/{found}", 303)
        if found == pid:
            return await self._described(pid)
        return await self._described(found, 201, _place(request, found))

    # What they share.

    async def begin(self, wanted: _body.Start) -> tuple[str, bool]:
        """Start a process that may be started by its name; return its pid, or that of its key's holder.

        Returns:
            The pid, and whether it is that of a new process.

        Raises:
            InvalidDefinitionError: None of this name may be.

        Cancellation: safe; it was started, or it was not.
        """
        process = self._startable.get(wanted.name)
        if process is None:
            known = ", ".join(self._startable) or "none"
            raise InvalidDefinitionError(
                f"no process {wanted.name!r} may be started here; there are: {known}"
            )
        try:
            handle = await self.manager.start(process, wanted.data, key=wanted.key, on_conflict="raise")
        except KeyConflictError as taken:
            if taken.pid is None:
                raise
            return taken.pid, False
        return handle.pid, True

    async def around(self, request: Request) -> dict[str, Any]:
        """Return what every page has around it: the time, and where its reader may go. Cancellation: safe."""
        return {
            "now": self.manager.now(),
            "sees_all": await self.access.may(request, "read"),
            "may_start": bool(self._startable) and await self.access.may(request, "start"),
        }

    async def sent(self, request: Request, kind: type[T]) -> T:
        """Return what a request says in JSON. Cancellation: safe."""
        if _body.content_type(request) != _body.JSON:
            raise HTTPException(415, f"send {_body.JSON}", {"accept": _body.JSON})
        return _body.decoded(await self._read(request), kind)

    async def form(self, request: Request) -> dict[str, str]:
        """Return what one of our own forms says. Cancellation: safe."""
        form = filled_in(await self._read(request))
        check_token(request, form.get("token", ""))
        request.scope[TYPED] = form  # for a page that shows it again
        return form

    async def _filled_in(self, request: Request, pid: str, action: Action) -> Any:
        form = await self.form(request)
        question = (await self.manager.info(pid)).interrupt if action == "proceed" else None
        return _body.fitting(said_in(form, question.schema if question else None), VERBS[action].body)

    async def _read(self, request: Request) -> bytes:
        return await _body.read(request, self.manager.options.payload_limit_bytes)

    async def _described(
        self, pid: str, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        info = await self.manager.info(pid)
        return json_response(self.redaction.document(msgspec.to_builtins(info)), status, headers)


def _place(request: Request, pid: str) -> dict[str, str]:
    return {"location": f"{request.scope.get('root_path', '')}/api/processes/{pid}"}


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as a response in JSON."""
    body: Any = msgspec.json.encode(value)
    return Response(body, status, headers, _body.JSON)
