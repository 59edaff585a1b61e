"""The pages: read what the API reads, and show it to people. All that comes from processes is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

from procactors._ids import checked_pid
from procactors.model.event import EVENT_CLASSES, ProcessWaiting
from procactors.model.status import ProcessStatus, StepStatus
from procactors.web import _wording
from procactors.web._forgery import remember, token_for
from procactors.web._forms import fields_of
from procactors.web._json import coloured
from procactors.web._listing import page_of, query_in
from procactors.web._members import members_of
from procactors.web._problems import headers_of, problem_of
from procactors.web._timeline import history_of, span_s, timeline
from procactors.web._verbs import VERBS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.model.event import ProcessEvent
    from procactors.model.info import ProcessInfo
    from procactors.web._api import Api

_ON_A_PAGE = 50
_FREE = frozenset({"queued", "sleeping", "interrupted", "blocked"})
_CHILDREN_LOOKED_AT = 500
SIGNS = {
    **dict.fromkeys(("running", "waiting", "cancelling", "undoing"), "●"),
    **dict.fromkeys(("queued", "pending"), "○"),
    **dict.fromkeys(("finished", "completed"), "✓"),
    **dict.fromkeys(("failed", "timed_out", "cancelled"), "✗"),
    "sleeping": "◌",
    "interrupted": "?",
    "blocked": "!",
    "skipped": "↷",
}


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("procactors.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {
        "ago": _wording.ago,
        "coloured": coloured,
        "duration": _wording.duration,
        "moment": _wording.moment,
        "number": _wording.number,
        "pretty": _wording.pretty,
        "words": _wording.words,
    }
    found.globals |= {"signs": SIGNS, "event_names": " ".join(kind.__name__ for kind in EVENT_CLASSES)}
    return found


_templates = _environment()


class Pages:
    """The endpoints."""

    def __init__(self, api: Api) -> None:
        """Show what `api` serves."""
        self._api = api
        self._manager = api.manager

    async def processes(self, request: Request) -> Response:
        """Show the list of processes, the newest first."""
        query = query_in(request, _ON_A_PAGE)
        page = await page_of(self._manager, self._api.access, request, query)
        sees_all = await self._api.access.may(request, "read")
        return _page(
            request,
            "list.html",
            now=self._manager.now(),
            page=page,
            query=query,
            statuses=list(ProcessStatus),
            names=self._api.names,
            counts=await self._manager.counts() if sees_all else {},
            sees_all=sees_all,
        )

    async def process(self, request: Request) -> Response:
        """Show all about a process, and what can be done about it."""
        pid = checked_pid(request.path_params["pid"])
        access = self._api.access
        await access.require(request, "read", pid)
        info = await self._manager.info(pid)
        history = await history_of(self._manager, info)
        possible = [action for action in _possible(info) if await access.may(request, action, pid)]
        token = token_for(request)
        document = self._api.redaction.document(msgspec.to_builtins(info))
        rows = timeline(info, history, self._manager.now())
        for row in rows:
            row.output = self._api.redaction.payload(row.output)
        response = _page(
            request,
            "process.html",
            now=self._manager.now(),
            info=info,
            shown=document,
            rows=rows,
            span_s=span_s(rows, self._manager.now()),
            possible=possible,
            token=token,
            fields=fields_of(info.interrupt.schema) if info.interrupt else [],
            begun=[row.name for row in rows if row.attempts or row.status is not StepStatus.PENDING],
            children=await self._children(request, info, history),
            verbs=VERBS,
            sees_all=await access.may(request, "read"),
        )
        remember(response, request, token)
        return response

    async def managers(self, request: Request) -> Response:
        """Show who is on the store, its queues, and the actors of this manager."""
        access = self._api.access
        await access.require(request, "read")
        token = token_for(request)
        response = _page(
            request,
            "managers.html",
            now=self._manager.now(),
            members=await members_of(self._manager, access, request),
            queues=await self._manager.queues(),
            may_pause=await access.may(request, "pause"),
            token=token,
            tree=self._manager.tree(),
            sees_all=True,
        )
        remember(response, request, token)
        return response

    async def _children(
        self, request: Request, info: ProcessInfo, history: list[ProcessEvent]
    ) -> list[ProcessInfo]:
        """Return the children of a process: among the newest that are younger than it."""
        if not any(isinstance(event, ProcessWaiting) for event in history):
            return []
        found = await self._manager.list(limit=_CHILDREN_LOOKED_AT)
        children = [one for one in found if one.parent_pid == info.pid]
        return [one for one in children if await self._api.access.may(request, "read", one.pid)]


def problem_page(request: Request, error: Exception) -> Response:
    """Return the page that tells of an error."""
    problem = problem_of(error)
    response = _page(request, "problem.html", problem=problem)
    response.status_code = problem.status
    response.headers.update(headers_of(error, problem))
    return response


def _possible(info: ProcessInfo) -> list[Any]:
    """Return what may be done about a process as it stands."""
    status, is_ended = info.status, info.status.is_ended
    is_failed = status in {ProcessStatus.FAILED, ProcessStatus.TIMED_OUT}
    allowed = {
        "proceed": status is ProcessStatus.INTERRUPTED,
        "cancel": not is_ended and status is not ProcessStatus.CANCELLING,
        "retry": is_failed,
        "skip": (is_failed or status is ProcessStatus.BLOCKED) and info.step is not None,
        "rewind": is_ended or status in _FREE,
        "fork": True,
    }
    return [action for action, is_allowed in allowed.items() if is_allowed]


def _page(request: Request, template: str, **values: Any) -> Response:
    root = request.scope.get("root_path", "").rstrip("/")
    text = _templates.get_template(template).render(root=root, **values)
    return HTMLResponse(text)
