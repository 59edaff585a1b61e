"""What `procactors worker` is given in the tests: a manager on the store that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

import anyio

from procactors import ManagerOptions, Process, ProcessManager, step


@step
async def quick(data):
    return data


@step
async def endless(_data):
    await anyio.sleep_forever()


@step
async def blocks(data):
    """Block the event loop, as nobody should, until the test lets it go."""
    Path(data["begun"]).touch()  # noqa: ASYNC240 - it is to block
    while not os.path.exists(data["gate"]):  # noqa: ASYNC240, PTH110 - it is to block
        os.sched_yield()
    return data


BLOCKS = Process("blocks", [blocks], timeout=None)
QUICK, ENDLESS = Process("quick", [quick]), Process("endless", [endless], timeout=None)


def patient_manager():
    """One with a short lease, whose running steps get all the time that they want."""
    options = ManagerOptions(lease_s=1, grace_s=1000, store_patience_s=1000)
    return ProcessManager(os.environ["WORKER_URL"], name="patient", options=options)


def manager():
    return ProcessManager(os.environ["WORKER_URL"], name="worker", options=ManagerOptions(grace_s=0.2))
