"""Who is on the store, as the web face shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from procactors.stores import is_gone, this_process

if TYPE_CHECKING:
    from procactors.manager import ProcessManager
    from procactors.stores import Member


class ManagerOnStore(msgspec.Struct, frozen=True):
    """A manager or client on the store.

    Attributes:
        name: Its name, as a process's `owner` shows it.
        kind: "manager" runs processes, "client" does not.
        host: Its host.
        os_pid: The number of its OS process.
        registered_at: Since when it is there.
        is_alive: Whether it is still there, as far as can be seen from here.
    """

    name: str
    kind: str
    host: str
    os_pid: int
    registered_at: datetime
    is_alive: bool


async def members_of(manager: ProcessManager) -> list[ManagerOnStore]:
    """Return all who are registered on a manager's store, but for clients that are gone.

    Cancellation: safe.
    """
    here, now = this_process("", "client"), manager.now().timestamp()
    found = [_on_store(one, is_alive=not is_gone(one, here, now)) for one in await manager.managers()]
    return [one for one in found if one.is_alive or one.kind == "manager"]


def _on_store(member: Member, *, is_alive: bool) -> ManagerOnStore:
    who = member.identity
    since = datetime.fromtimestamp(member.registered_at, UTC)
    return ManagerOnStore(who.name, who.kind, who.host, who.os_pid, since, is_alive)
