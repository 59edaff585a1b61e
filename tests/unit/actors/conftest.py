"""The actor runtime knows only anyio: its tests run on asyncio and on trio, there in virtual time."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from procactors.actors import ActorSystem
from tests.unit.actors.samples import Heard, LoopClock, running_tasks


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    if request.param == "trio":
        return ("trio", {"clock": MockClock(autojump_threshold=0)})
    return request.param


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
async def system(heard):
    """A system that leaves no task behind."""
    before = running_tasks()
    async with ActorSystem(clock=LoopClock(), observer=heard) as system:
        yield system
    assert running_tasks() <= before
