"""The actor runtime knows only anyio: its tests run on asyncio and on trio, there in virtual time."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from trio.testing import MockClock

from procactors.actors import ActorSystem
from procactors.testing import VirtualClock
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
async def virtual_time(anyio_backend_name, request):
    """Time that passes only when everything waits, on asyncio too: no grace ends as the machine is busy."""
    if anyio_backend_name == "trio" or getattr(request.function, "is_in_real_time", False):
        yield
        return
    clock = VirtualClock()
    clock.install()
    yield
    clock.uninstall()


def pytest_collection_modifyitems(items):
    for item in items:
        if (
            inspect.iscoroutinefunction(getattr(item, "obj", None))
            and Path(__file__).parent in item.path.parents
        ):
            item.fixturenames.insert(0, "virtual_time")


@pytest.fixture
async def system(heard, virtual_time):
    """A system that leaves no task behind."""
    before = running_tasks()
    async with ActorSystem(clock=LoopClock(), observer=heard) as system:
        yield system
    assert running_tasks() <= before
