"""A manager that is killed while its steps run in OS processes.

python -m tests.crash.worker_driver STEP NOTE [forks]

With `forks` it forks while the step runs, as `multiprocessing` does: the fork has all that the manager has
open, notes its number too, and lives on.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio

from procactors import Process, ProcessManager, Step
from tests.crash import worker_steps


async def main(name: str, note: Path, *, forks: bool) -> None:
    async with ProcessManager("memory://") as manager:
        step = Step(name, getattr(worker_steps, name), executor="process")
        handle = await manager.start(Process("killed", [step]), {"note": str(note)})
        if forks:
            await fork_when(note)
        await handle.result()


async def fork_when(note: Path) -> None:
    while not note.exists():  # noqa: ASYNC110, ASYNC240 - an OS process tells nobody
        await anyio.sleep(0.01)
    fork = os.fork()
    if not fork:
        signal.pause()
    note.with_suffix(".fork").write_text(str(fork))


if __name__ == "__main__":
    anyio.run(lambda: main(sys.argv[1], Path(sys.argv[2]), forks="forks" in sys.argv))
