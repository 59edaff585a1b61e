"""The pages: read what the API reads, and show it to people. All that comes from processes is escaped."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from procactors._ids import checked_pid
from procactors.model.status import ProcessStatus, StepStatus
from procactors.web._api import TYPED
from procactors.web._children import tree_below
from procactors.web._excerpt import excerpt
from procactors.web._forgery import remember, token_for
from procactors.web._forms import fields_of
from procactors.web._history import happenings
from procactors.web._listing import page_of, query_in
from procactors.web._look import page
from procactors.web._members import members_of
from procactors.web._problems import Problem, headers_of, problem_of
from procactors.web._timeline import history_of, span_s, timeline
from procactors.web._verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from procactors.errors import ProcactorsError
    from procactors.model.info import ProcessInfo
    from procactors.web._api import Api

_ON_A_PAGE = 50
_FREE = frozenset({"queued", "sleeping", "interrupted", "blocked"})
_NAMES_MAX = 200
_OF_AN_OUTPUT = 200  # parts; there may be many steps


class Pages:
    """The endpoints."""

    def __init__(self, api: Api) -> None:
        """Show what `api` serves."""
        self._api = api
        self._manager = api.manager

    async def processes(self, request: Request) -> Response:
        """Show the list of processes, the newest first."""
        query = query_in(request, _ON_A_PAGE)
        found = await page_of(self._manager, self._api.access, request, query)
        around = await self._api.around(request)
        return page(
            request,
            "list.html",
            **around,
            page=found,
            query=query,
            statuses=list(ProcessStatus),
            names=(await self._manager.names())[:_NAMES_MAX] if around["sees_all"] else self._api.names,
            counts=await self._manager.counts() if around["sees_all"] else {},
        )

    async def process(self, request: Request) -> Response:
        """Show all about a process, and what can be done about it."""
        return await self._process(request, checked_pid(request.path_params["pid"]))

    async def process_again(
        self, request: Request, pid: str, action: str, error: ProcactorsError
    ) -> Response:
        """Show a process after something could not be done about it: why, and what was filled in."""
        problem = problem_of(error)
        typed = {action: request.scope[TYPED]}
        response = await self._process(request, checked_pid(pid), typed, problem)
        response.status_code = problem.status
        response.headers.update(headers_of(error, problem))
        return response

    async def _process(
        self,
        request: Request,
        pid: str,
        typed: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        problem: Problem | None = None,
    ) -> Response:
        access = self._api.access
        await access.require(request, "read", pid)
        info = await self._manager.info(pid)
        history = await history_of(self._manager, info)
        possible = [action for action in _possible(info) if await access.may(request, action, pid)]
        token = token_for(request)
        document = self._api.redaction.document(msgspec.to_builtins(_beginning_of(info)))
        rows = timeline(info, history, self._manager.now())
        for row in rows:
            row.output = self._api.redaction.payload(excerpt(row.output, _OF_AN_OUTPUT))
        response = page(
            request,
            "process.html",
            **await self._api.around(request),
            info=info,
            shown=document,
            rows=rows,
            span_s=span_s(rows, self._manager.now()),
            possible=possible,
            token=token,
            fields=self._api.redaction.fields(fields_of(info.interrupt.schema if info.interrupt else None)),
            begun=[row.name for row in rows if row.attempts or row.status is not StepStatus.PENDING],
            happenings=happenings(history),
            tree=await tree_below(self._manager, access, request, info),
            verbs=VERBS,
            typed=typed,
            problem=problem,
        )
        remember(response, request, token)
        return response

    async def managers(self, request: Request) -> Response:
        """Show who is on the store and what each runs, and its queues."""
        access = self._api.access
        await access.require(request, "read")
        token = token_for(request)
        response = page(
            request,
            "managers.html",
            **await self._api.around(request),
            members=await members_of(self._manager, access, request),
            queues=await self._manager.queues(),
            may_pause=await access.may(request, "pause"),
            token=token,
        )
        remember(response, request, token)
        return response


def _beginning_of(info: ProcessInfo) -> ProcessInfo:
    """Return a process with as much of its payloads as a page shows."""
    asks = info.interrupt
    if asks is not None:
        asks = msgspec.structs.replace(asks, data=excerpt(asks.data))
    return msgspec.structs.replace(info, data=excerpt(info.data), output=excerpt(info.output), interrupt=asks)


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
