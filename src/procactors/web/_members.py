"""Who is on the store and what each runs, as the web face shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from starlette.requests import Request

    from procactors.manager import ProcessManager
    from procactors.model.standing import ManagerInfo
    from procactors.web._access import Access

_MOST_PROCESSES = 20


async def members_of(manager: ProcessManager, access: Access, request: Request) -> list[ManagerInfo]:
    """Return all who are registered on a manager's store, but for clients that are gone.

    Of the processes that each runs there are those that the request may read. Cancellation: safe.
    """
    shown = []
    for member in await manager.fleet(_MOST_PROCESSES):
        if member.is_alive or member.kind == "manager":
            readable = [one for one in member.processes if await access.may(request, "read", one.pid)]
            shown.append(structs.replace(member, processes=tuple(readable)))
    return shown
