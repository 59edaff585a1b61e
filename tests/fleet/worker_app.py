"""What `procactors worker` is given in the tests: a manager on the store that the environment names."""

from __future__ import annotations

import os

import anyio

from procactors import ManagerOptions, Process, ProcessManager, step


@step
async def quick(data):
    return data


@step
async def endless(_data):
    await anyio.sleep_forever()


QUICK, ENDLESS = Process("quick", [quick]), Process("endless", [endless], timeout=None)


def manager():
    return ProcessManager(os.environ["WORKER_URL"], name="worker", options=ManagerOptions(grace_s=0.2))
