"""Programs on a disk that is full, or may only be read; each is an OS process, as the limits are for good.

    python -m tests.crash.bad_disks full|read-only DATABASE [stay]

What happens is noted on standard output, the library's log goes to standard error. `stay` lets the full disk
stay full, until the program is killed.
"""

from __future__ import annotations

import codecs
import logging
import os
import resource
import sys
from contextlib import contextmanager

import anyio

from procactors import ManagerOptions, ProcactorsError, Process, ProcessManager, Step, StoreUnavailableError
from tests.crash.ledger import Ledger

LEDGER = Ledger(sys.stdout.fileno())
HASTY = ManagerOptions(store_patience_s=0.5)
NOBODY = 65_534


class Door:
    """Lets steps through when it is open."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.reached = anyio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def waits(data: dict, *, door: Door) -> dict:
    await door.pass_through()
    return {**data, "passed": True}


async def echo(data: dict) -> dict:
    return data


WAITS = Process("waits", [Step("waits", waits, services=("door",)), Step("echo", echo)])
ECHO = Process("echo", [echo])


@contextmanager
def no_room_on_the_disk():
    """No file of this program may be written any more; what SQLite meets is a write that fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def on_a_full_disk(database: str) -> None:
    door = Door()
    async with ProcessManager(f"sqlite:///{database}", options=HASTY, services={"door": door}) as manager:
        done = await manager.start(ECHO, {"x": 1})
        await done.result()
        under_way = await manager.start(WAITS, {"x": 2})
        await door.reached.wait()
        with no_room_on_the_disk():
            LEDGER.note("full")
            door.opened.set()
            await refused(manager)
            LEDGER.note("done-is", (await done.info()).status, (await done.info()).output)
            LEDGER.note("under-way-is", (await under_way.info()).status)
            if "stay" in sys.argv:
                await anyio.sleep_forever()
        LEDGER.note("room")
        LEDGER.note("under-way-ends", await under_way.result())
        LEDGER.note("later-ends", await (await manager.start(ECHO, {"x": 4})).result())


async def refused(manager: ProcessManager) -> None:
    began = anyio.current_time()
    try:
        await manager.start(ECHO, {"x": 3}, key="refused")
    except StoreUnavailableError as error:
        LEDGER.note("refused", f"{anyio.current_time() - began:.3f}", error)


async def on_a_read_only_disk(database: str) -> None:
    if os.geteuid() == 0:
        codecs.lookup("ascii")  # the standard library may be where only root can read
        os.seteuid(NOBODY)  # nothing is read-only for root
    for run in (True, False):
        try:
            async with ProcessManager(f"sqlite:///{database}", run=run):
                LEDGER.note("opened")
        except ProcactorsError as error:
            LEDGER.note(type(error).__name__, error)


PROGRAMS = {"full": on_a_full_disk, "read-only": on_a_read_only_disk}

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    anyio.run(PROGRAMS[sys.argv[1]], sys.argv[2])
