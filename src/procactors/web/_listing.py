"""The list of processes as a request may see it: filters, pages, and only what it may read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException

from procactors._ids import checked_pid
from procactors.errors import UnknownProcessError
from procactors.model.info import ProcessInfo
from procactors.model.status import ProcessStatus

if TYPE_CHECKING:
    from starlette.requests import Request

    from procactors.manager import ProcessManager
    from procactors.web._access import Access

_DEFAULT_LIMIT, _MAX_LIMIT = 100, 1000
_LOOKED_AT_MAX = 10_000  # of those that may not be read, before the rest is left to the next page
_STEP = 500


class Query(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        statuses: Only these; none: all.
        name: Only those of this definition.
        parent: Only the children of this one.
        search: Only those that have this text in their name, or begin their key or pid with it, or have it
            as a tag.
        limit: How many at most.
        after: Only those older than this pid.
    """

    statuses: tuple[ProcessStatus, ...] = ()
    name: str | None = None
    parent: str | None = None
    search: str | None = None
    limit: int = _DEFAULT_LIMIT
    after: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves any out."""
        return bool(self.statuses or self.name or self.parent or self.search)

    def link(self, *, after: str | None) -> str:
        """Return the query string of another page of the same list."""
        pairs = [("status", str(status)) for status in self.statuses]
        named = {"name": self.name, "parent": self.parent, "search": self.search}
        pairs += [(name, text) for name, text in named.items() if text]
        pairs += [("limit", str(self.limit))] if self.limit != _DEFAULT_LIMIT else []
        pairs += [("after", after)] if after else []
        return "?" + urlencode(pairs)


class Page(msgspec.Struct, frozen=True):
    """A part of the list; `next_after` is where the next begins, None if this is the last."""

    infos: list[ProcessInfo]
    next_after: str | None


def query_in(request: Request, default_limit: int = _DEFAULT_LIMIT) -> Query:
    """Return what a request asks for.

    Raises:
        HTTPException: A parameter is wrong (400).
    """
    given = request.query_params
    words = [word for text in given.getlist("status") for word in text.split(",") if word]
    query = Query(
        tuple(dict.fromkeys(_status(word) for word in words)),
        given.get("name") or None,
        _pid("parent", given.get("parent")),
        given.get("search", "").strip() or None,
        _limit(given.get("limit") or str(default_limit)),
        _pid("after", given.get("after")),
    )
    if query.parent and query.search:
        raise HTTPException(400, "search goes through all processes, not through the children of a parent")
    return query


def _status(word: str) -> ProcessStatus:
    try:
        return ProcessStatus(word)
    except ValueError:
        raise HTTPException(
            400, f"there is no status {word!r}; there are {', '.join(ProcessStatus)}"
        ) from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAX_LIMIT):
        raise HTTPException(400, f"limit must be a whole number from 1 to {_MAX_LIMIT}, not {text!r}")
    return int(text)


def _pid(name: str, text: str | None) -> str | None:
    try:
        return checked_pid(text) if text else None
    except UnknownProcessError as error:
        raise HTTPException(400, f"{name}: {error}") from None


async def page_of(manager: ProcessManager, access: Access, request: Request, query: Query) -> Page:
    """Return the part of the list that a request asks for, of what it may read. Cancellation: safe."""
    found: list[ProcessInfo] = []
    looked_at, after = 0, query.after
    size = query.limit + 1
    while True:
        infos = await manager.list(
            query.statuses or None, query.name, size, after, parent=query.parent, search=query.search
        )
        for info in infos:
            if await access.may(request, "read", info.pid):
                if len(found) == query.limit:
                    return Page(found, found[-1].pid)
                found.append(info)
        looked_at += len(infos)
        if len(infos) < size:
            return Page(found, None)
        after, size = infos[-1].pid, _STEP
        if looked_at >= _LOOKED_AT_MAX:
            return Page(found, after)
