"""What users want of queues: pause, resume, drain. It is in the store, so it holds for all managers on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from procactors.engine.decisions.pausing import extend
from procactors.engine.messages import Write
from procactors.engine.reading import read
from procactors.engine.views import check_timeout
from procactors.errors import InvalidDefinitionError
from procactors.model.text import problem_of
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.room import Room


async def pause(room: Room, name: str | None) -> None:
    """Let nothing of that name be taken up from now on; None: nothing at all but children."""
    _check(name)
    await room.persistence.ask(Write(b.Pause(name), room.patience()), timeout=None)


async def resume(room: Room, name: str | None) -> None:
    """End a pause; the time that has stood still meanwhile is added to the deadlines."""
    _check(name)
    await room.persistence.ask(Write(b.Resume(name, extend), room.patience()), timeout=None)
    room.note_queued()


async def drain(room: Room, timeout: float | None, name: str | None) -> None:
    """Pause, and wait until no manager runs anything of that name; None: anything at all."""
    check_timeout(timeout)
    await pause(room, name)
    with anyio.fail_after(timeout):
        while await read(room, room.store.count_owned, name):  # noqa: ASYNC110 - other managers' processes count, too
            await anyio.sleep(room.options.poll_idle_s)


def _check(name: str | None) -> None:
    if name is not None and (not isinstance(name, str) or not name.strip() or problem_of(name)):
        raise InvalidDefinitionError(
            f"no process can have the name {name!r}; leave it out to mean all processes"
        )
