"""What readers get of many processes: pages of the list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from procactors._ids import checked_pid
from procactors.engine.reading import read
from procactors.engine.views import info_of
from procactors.model.status import ProcessStatus
from procactors.model.text import problem_of, shown
from procactors.stores import Wanted

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.model.info import ProcessInfo


_MOST = 2**31 - 1
"""The most rows that every store can be asked for."""


async def listed(
    room: Room,
    status: str | Iterable[str] | None,
    *,
    name: str | None,
    limit: int,
    after: str | None,
    parent: str | None,
    search: str | None,
) -> list[ProcessInfo]:
    """Return processes, the newest first; see `ProcessManager.list`.

    Raises:
        ValueError: There is no such status, the limit is below 1, or the children are to be searched.
        UnknownProcessError: `after` or `parent` can't be a pid.
    """
    statuses = (status,) if isinstance(status, str) else status
    if statuses is not None and not isinstance(statuses, Iterable):
        raise ValueError(f"status must be a status, or several, not {shown(statuses)}")
    if name is not None and not isinstance(name, str):
        raise ValueError(f"name must be text, not {shown(name)}")
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit must be a whole number, 1 or more, not {limit!r}")
    if search and parent is not None:
        raise ValueError(
            "search= goes through all processes, parent= gives the children of one: use one of them"
        )
    if search is not None and not isinstance(search, str):
        raise ValueError(f"search must be text, not {shown(search)}")
    if (search and problem_of(search)) or (name is not None and problem_of(name)):
        return []  # no process has this anywhere, and not every store can be asked for it
    wanted = Wanted(
        statuses=None if statuses is None else tuple(ProcessStatus(one) for one in statuses),
        name=name,
        parent=None if parent is None else checked_pid(parent),
        search=search or None,
        limit=min(limit, _MOST),
        after=None if after is None else checked_pid(after),
    )
    return [info_of(record) for record in await read(room, room.store.records, wanted)]
