"""What a process has started, and what that has started in turn: a tree of a few levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procactors.model.info import ProcessInfo
from procactors.web._listing import Query, page_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from procactors.manager import ProcessManager
    from procactors.web._access import Access

LEVELS = 4
OF_ONE = 20
IN_ALL = 100


class Branch(msgspec.Struct):
    """A process among the descendants of another.

    Attributes:
        info: The process.
        children: Those of its children that are shown, in the order in which they were started.
        has_more: Whether it has older ones besides, which the list shows.
    """

    info: ProcessInfo
    children: list[Branch] = []
    has_more: bool = False


async def tree_below(manager: ProcessManager, access: Access, request: Request, root: ProcessInfo) -> Branch:
    """Return a process with what is below it and may be read: the newest of each, level by level.

    Cancellation: safe.
    """
    top = Branch(root, [])
    level, room = [top], IN_ALL
    for _ in range(LEVELS):
        following: list[Branch] = []
        for branch in level:
            query = Query(parent=branch.info.pid, limit=max(1, min(OF_ONE, room)))
            page = await page_of(manager, access, request, query)
            shown = page.infos[:room]
            branch.children = [Branch(info, []) for info in reversed(shown)]
            branch.has_more = page.next_after is not None or len(shown) < len(page.infos)
            room -= len(shown)
            following += branch.children
        level = following
    return top
