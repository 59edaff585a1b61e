"""A manager that is killed while its steps run in OS processes.

python -m tests.crash.worker_driver STEP NOTE
"""

from __future__ import annotations

import sys

import anyio

from procactors import Process, ProcessManager, Step
from tests.crash import worker_steps


async def main(name: str, note: str) -> None:
    async with ProcessManager("memory://") as manager:
        step = Step(name, getattr(worker_steps, name), executor="process")
        await (await manager.start(Process("killed", [step]), {"note": note})).result()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
