"""Worlds in which managers are tried: a store in memory or in a file, in virtual time, and who watches."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import itertools
import threading

import anyio
import pytest

from procactors import ManagerOptions
from procactors.stores import open_store
from procactors.testing import VirtualClock, manager
from tests.behaviour.steps import Probe

STUCK_S = 200  # real seconds; the slowest test takes 2 on an idle machine


_schemas = itertools.count()


class World:
    """One store and one clock, and as many managers on them as a test wants."""

    def __init__(self, kind, url, probe):
        self.kind = kind
        self.probe = probe
        self.clock = VirtualClock()
        self.url = url
        self.memory = open_store("memory://", self.clock, ManagerOptions())
        self._managers = 0

    def manager(self, *, services=None, options=None, store=None, **more):
        options = options or ManagerOptions()
        if store is None:
            store = self.memory if self.kind == "memory" else open_store(self.url, self.clock, options)
        services = {"probe": self.probe} | (services or {})
        self._managers += 1  # two of one seed and one time would make the same pids
        return manager(
            store=store, clock=self.clock, services=services, options=options, seed=self._managers, **more
        )


@pytest.fixture
def probe():
    return Probe()


ON_POSTGRES = {
    "cancel",
    "children",
    "spoilt_rows",
    "clients",
    "closing",
    "engine_gives_up",
    "going_back",
    "interrupts",
    "keys",
    "limits",
    "pausing",
    "plugins",
    "queue",
    "recovery",
    "retention",
    "retries",
    "retry_by_hand",
    "sleeps",
    "starting",
    "stream_of_all",
    "streams",
    "streams_of_others",
    "undo",
}
"""Where the store matters. All other files pass there too, but for `at_checkpoint`, whose functions speak
SQLite's SQL; they are about what happens before anything is stored, and would take as long again."""


def pytest_generate_tests(metafunc):
    if "world" in metafunc.fixturenames:
        is_on_postgres = metafunc.module.__name__.rpartition("test_")[2] in ON_POSTGRES
        kinds = ["memory", "sqlite", *(["postgres"] if is_on_postgres else [])]
        metafunc.parametrize("world", kinds, indirect=True)


@pytest.fixture
def world(request, tmp_path, probe):
    """On every store. With a file the store is polled every 50 ms, so only seconds should pass here."""
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url(f"behaviour{next(_schemas)}")
    return World(request.param, url, probe)


@pytest.fixture
def memory_world(tmp_path, probe):
    """In memory only: days may pass."""
    return World("memory", "", probe)


@pytest.fixture
def file_world(tmp_path, probe):
    """On a file only."""
    return World("sqlite", f"sqlite:///{tmp_path}/store.db", probe)


@pytest.fixture
async def m(world):
    async with world.manager() as m:
        yield m


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Fail a test that takes too long: virtual time may stand still for ever, so nothing else tells it."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = _bounded(pyfuncitem.obj)


def _bounded(test):
    @functools.wraps(test)
    async def bounded(**fixtures):
        loop, scope = asyncio.get_running_loop(), anyio.CancelScope()
        timer = threading.Timer(STUCK_S, lambda: loop.call_soon_threadsafe(scope.cancel))
        timer.start()
        try:
            with scope:
                await test(**fixtures)
        finally:
            timer.cancel()
            timer.join()
        assert not scope.cancelled_caught, "the test hangs"

    return bounded


@pytest.fixture(autouse=True)
def garbage_is_collected():
    """What a test leaves to the garbage collector complains in that test."""
    yield
    gc.collect()
