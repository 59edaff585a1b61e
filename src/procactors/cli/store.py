"""Commands as clients of a store that another program runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from procactors._clock import SystemClock
from procactors.cli.arguments import store_url
from procactors.cli.console import note
from procactors.cli.failure import failures_as_lines
from procactors.manager import ProcessManager
from procactors.stores import is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procactors.stores import Member

T = TypeVar("T")


def on_store(db: str, work: Callable[[ProcessManager], Awaitable[T]], *, must_exist: bool = True) -> T:
    """Do something as a client of the store, and return what it returns.

    Args:
        db: What --db or PROCACTORS_URL says.
        work: What to do, with an open client.
        must_exist: Refuse a SQLite file that is not there.

    Raises:
        typer.Exit: It can't be done; why has been said.
    """

    async def main() -> T:
        async with ProcessManager(store_url(db, must_exist=must_exist), run=False) as client:
            return await work(client)

    with failures_as_lines():
        return anyio.run(main)


async def others_on(client: ProcessManager) -> Sequence[Member]:
    """Return the managers and clients on the store, without this one. Cancellation: safe."""
    return [member for member in await client.managers() if member.identity.name != client.name]


async def note_if_nobody_runs(client: ProcessManager) -> None:
    """Say so if no manager is there to take up what has been left for it. Cancellation: safe."""
    here, now = this_process("", "client"), SystemClock().wall()
    managers = [m for m in await others_on(client) if m.identity.kind == "manager"]
    if all(is_gone(member, here, now) for member in managers):
        note("no manager runs on this store now: it goes on when one does")
