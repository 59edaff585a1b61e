"""Deferred updates that a real manager takes: after a failure, to be durable, or left over at a shutdown."""

from __future__ import annotations

import anyio

from procactors import Process, step
from procactors.deferred import DeferredUpdates, EnqueueableUpdate, Stage, defer, deferred_scope
from procactors.web import DeferredMiddleware
from tests.behaviour.history import history, kinds
from tests.unit.web.samples import Server, responding

LOG = []


@step
async def render(data):
    LOG.append(data["page"])
    return data


@step
async def note(number):
    LOG.append(number)


@step
async def slow(number):
    if not LOG:
        LOG.append("cut off")
        await anyio.sleep_forever()
    LOG.append(number)


class Render(EnqueueableUpdate):
    def __init__(self, page):
        self.page = page

    async def run(self):
        raise TimeoutError("the renderer is busy")

    def as_process(self):
        return Process("render", [render]), {"page": self.page}


async def all_done(m):
    for info in await m.list():
        await m.result(info.pid)


async def test_enqueueable_update_that_fails_is_done_by_a_process(m):
    LOG.clear()
    updates = DeferredUpdates(manager=m)
    updates.add(Render("Foo"))
    report = await updates.run()
    assert (report.failed, report.enqueued) == (1, 1)
    (info,) = await m.list(name="render")
    assert await m.result(info.pid) == {"page": "Foo"}
    assert kinds(await history(m, info.pid))[-1] == "ProcessFinished"
    assert LOG == ["Foo"]


async def test_durable_update_of_a_script_is_stored_when_it_is_persisted(m):
    LOG.clear()
    async with deferred_scope(m, opportunistic=False) as updates:
        defer(note, 1, durable=True)
        assert await m.list() == []
        await updates.persisted()
        assert len(await m.list(name="deferred update")) == 1
        defer(note, 2, durable=True)
    assert len(await m.list(name="deferred update")) == 2
    await all_done(m)
    assert sorted(LOG) == [1, 2]


async def test_durable_updates_with_one_key_are_one_process(m):
    LOG.clear()
    async with deferred_scope(m, opportunistic=False):
        for number in (1, 2, 3):
            defer(note, number, key="one", merge=lambda old, new: (old[0] + new[0],), durable=True)
    (info,) = await m.list()
    await m.result(info.pid)
    assert LOG == [6]


async def test_request_leaves_durable_work_to_the_manager(m):
    LOG.clear()

    async def endpoint():
        defer(note, 7, durable=True, stage=Stage.PRESEND)
        return b"fine"

    async with Server(DeferredMiddleware(responding(endpoint), m)) as server:
        await server.get()
        assert len(await m.list(name="deferred update")) == 1
    await all_done(m)
    assert LOG == [7]


async def test_what_a_shutdown_cuts_off_is_done_by_a_process(m):
    LOG.clear()

    async def endpoint():
        defer(slow, 7)
        return b"fine"

    async with Server(DeferredMiddleware(responding(endpoint), m, drain_s=0.2)) as server:
        await server.get()
    await all_done(m)
    assert LOG == ["cut off", 7]
