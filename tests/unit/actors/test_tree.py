"""tree(): how everything stands, for people and dashboards."""

from __future__ import annotations

import anyio

from procactors.actors import Backoff, ChildOptions, LaneStatistics
from tests.unit.actors.samples import ONCE, Do, Fail, Get, Hold, Note, Sample, Urgent, happens, turns, until


def rows(system):
    return {row.name: row for row in system.tree()}


async def test_tree_has_a_row_for_each_supervisor_and_actor_parents_first(system):
    await system.start(Sample, name="a")
    below = await system.supervise("below")
    await below.start(Sample, name="b")
    await system.start(Sample, name="c")
    assert [(row.name, row.kind, row.depth) for row in system.tree()] == [
        ("actors", "Supervisor", 0),
        ("a", "Sample", 1),
        ("below", "Supervisor", 1),
        ("b", "Sample", 2),
        ("c", "Sample", 1),
    ]


async def test_idle_actor_has_an_empty_row(system):
    await system.start(Sample, name="a")
    row = rows(system)["a"]
    assert (row.state, row.current, row.current_age_s, row.handled) == ("running", "", 0, 0)
    assert (row.expired, row.restarts, row.tasks, row.waits_for) == (0, 0, 0, "")
    assert [lane.name for lane in row.lanes] == ["control", "signals", "work"]


async def test_busy_actor_shows_its_message_and_how_old_it_is(system):
    ref, hold = await system.start(Sample, name="a"), Hold()
    ref.tell(Note())
    ref.tell(Do(hold))
    await happens(hold.begun)
    await anyio.sleep(0.01)
    row = rows(system)["a"]
    assert (row.current, row.handled) == ("Do", 2)
    assert 0.009 < row.current_age_s < 5
    hold.over.set()


async def test_lanes_show_depth_and_high_mark(system):
    ref, hold = await system.start(Sample, name="a"), Hold()
    ref.tell(Do(hold))
    await happens(hold.begun)
    for n in range(3):
        ref.tell(Note(n))
    ref.tell(Urgent())
    assert rows(system)["a"].lanes == (
        LaneStatistics("control", depth=1, peak=1, refused=0),
        LaneStatistics("signals", depth=0, peak=0, refused=0),
        LaneStatistics("work", depth=3, peak=3, refused=0),
    )
    hold.over.set()
    await ref.ask(Get())
    assert [(lane.depth, lane.peak) for lane in rows(system)["a"].lanes] == [(0, 1), (0, 0), (0, 4)]


async def test_batch_shows_the_class_of_its_first_message(system):
    hold = Hold()

    class Batcher(Sample):
        async def receive_many(self, messages):
            await hold()

    ref = await system.start(Batcher, name="a", options=ONCE)
    ref.tell(Note())
    ref.tell(Get())
    await happens(hold.begun)
    assert rows(system)["a"].current == "Note"


async def test_asking_actor_shows_for_whom_it_waits(system):
    ref, target = await system.start(Sample, name="a"), await system.start(Sample, name="target")
    hold = Hold()

    async def ask(actor):
        await target.ask(Do(hold))

    ref.tell(Do(ask))
    await happens(hold.begun)
    assert rows(system)["a"].waits_for == "target"
    hold.over.set()
    await until(lambda: rows(system)["a"].waits_for == "")


async def test_tree_counts_restarts_and_expired_asks(system):
    options = ChildOptions(backoff=Backoff(first_s=0, jitter=False))
    ref = await system.start(Sample, name="a", options=options)
    ref.tell(Fail())
    await until(lambda: rows(system)["a"].restarts == 1)
    async with anyio.create_task_group() as group:
        hold = Hold()
        ref.tell(Do(hold))
        await happens(hold.begun)
        group.start_soon(ref.ask, Get())
        await turns()
        group.cancel_scope.cancel()
    hold.over.set()
    await ref.ask(Get())
    assert rows(system)["a"].expired == 1


async def test_state_follows_the_life(system):
    hold, started = Hold(), Hold()

    class Slow(Sample):
        async def on_start(self):
            await started()

        async def on_stop(self, reason):
            await hold()

    ref = system.root.spawn(Slow, name="a", options=ChildOptions(backoff=Backoff(first_s=3600)))
    await happens(started.begun)
    assert rows(system)["a"].state == "starting"
    started.over.set()
    await ref.ask(Get())
    assert rows(system)["a"].state == "running"
    ref.tell(Fail())
    await happens(hold.begun)
    assert rows(system)["a"].state == "stopping"
    hold.over.set()
    await until(lambda: rows(system)["a"].state == "resting")
    ref.stop()
    await ref.stopped()
    assert "a" not in rows(system)
