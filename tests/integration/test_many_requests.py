"""A thousand requests at once, each with nested updates: nothing crosses over, nothing is left."""

from __future__ import annotations

import gc
import weakref
from collections import defaultdict

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import FastAPI

from procactors.deferred import Stage, current_updates, defer
from procactors.web import DeferredMiddleware
from tests.unit.web.samples import Server

REQUESTS = 1000
EACH = [
    *("pre", "pre child", "merged 3", "parent", "child 0", "child 1", "grandchild 0", "grandchild 1"),
    "sibling",
]


@pytest.fixture
def anyio_backend():
    return "asyncio"


class World:
    """An application, and what its requests have left behind."""

    def __init__(self):
        self.log = defaultdict(list)
        self.queues = []
        self.strays = 0
        self.app = FastAPI()
        self.app.add_middleware(DeferredMiddleware)
        self.app.get("/{number}")(self.index)

    async def index(self, number: int):
        log = self.log[number]
        note = log.append
        for count in (1, 2, 3):
            defer(lambda total: note(f"merged {total}"), count, key="sum", merge=lambda _old, new: new)
            await checkpoint()
        defer(self.pre, note, stage=Stage.PRESEND)
        defer(self.parent, note)
        defer(note, "sibling")
        self.queues.append(weakref.ref(current_updates()))
        self.strays += current_updates().pending_count() != 4

    def pre(self, note):
        note("pre")
        defer(note, "pre child", stage=Stage.PRESEND)

    async def parent(self, note):
        note("parent")
        for number in range(2):
            defer(self.child, note, number)
            await checkpoint()

    async def child(self, note, number):
        note(f"child {number}")
        await checkpoint()
        defer(note, f"grandchild {number}")

    async def round(self, server):
        """Have all requests served at once, and what they deferred run."""
        async with anyio.create_task_group() as group:
            for number in range(REQUESTS):
                group.start_soon(server.get, f"/{number}")
        while server.scheduler().statistics().scopes:
            await checkpoint()


class Watched(Server):
    def scheduler(self):
        layer = self.app.middleware_stack
        while not isinstance(layer, DeferredMiddleware):
            layer = layer.app
        return layer._deferral.scheduler


@pytest.mark.slow
async def test_thousand_requests_at_once_keep_their_updates_apart_and_leave_nothing():
    world = World()
    async with Watched(world.app) as server:
        await world.round(server)
        assert world.strays == 0
        assert {number: log for number, log in world.log.items() if log != EACH} == {}
        assert len(world.log) == REQUESTS
        gc.collect()
        assert [queue for queue in world.queues if queue() is not None] == []


@pytest.mark.slow
async def test_memory_is_flat():
    world = World()
    async with Watched(world.app) as server:
        objects = []
        for _ in range(3):
            await world.round(server)
            world.log.clear()
            world.queues.clear()
            gc.collect()
            objects.append(len(gc.get_objects()))
    assert objects[2] - objects[1] < REQUESTS / 10, objects  # the first round fills caches
