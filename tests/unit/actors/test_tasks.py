"""Child tasks: beside an actor, within its life."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import ClassVar

import anyio
import pytest

from procactors.actors import Cancelled, Failed, Lane, Normal, TaskEnded
from procactors.actors._ref import current_cell
from procactors.errors import ActorError, ActorStoppedError
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    Fail,
    Get,
    Hold,
    Note,
    Sample,
    happens,
    ignore_the_end,
    in_real_time,
    until,
)

REAL_TIME = pytest.mark.parametrize(  # what ignores its end keeps trio so busy that mock time stands still
    "anyio_backend", ["asyncio", "trio"]
)

colour = ContextVar("colour", default="none")


def spawning(*spawned):
    async def spawn(actor):
        for function in spawned:
            actor.spawn(function, name=function.__name__)

    return Do(spawn)


async def ends_of(ref, number):
    """Return the ends that were told once there are so many."""
    await until(lambda: ref.cell.turns.handled > number)
    return await ref.ask(Get())


async def test_end_of_a_task_comes_with_what_it_returned_or_raised(system):
    error = ValueError("no")

    async def well():
        return 42

    async def badly():
        raise error

    ref = await system.start(Sample)
    await ref.ask(spawning(well))
    assert await ends_of(ref, 1) == [TaskEnded("well", 1, Normal(42))]
    await ref.ask(spawning(badly))
    assert (await ends_of(ref, 4))[1] == TaskEnded("badly", 2, Failed(error))


async def test_actor_hears_while_its_task_is_at_work(system):
    hold = Hold()

    async def work():
        await hold()

    ref = await system.start(Sample)
    await ref.ask(spawning(work))
    await happens(hold.begun)
    ref.tell(Note(1))
    assert await ref.ask(Get()) == [Note(1)]
    assert system.tree()[1].tasks == 1
    hold.over.set()
    await until(lambda: system.tree()[1].tasks == 0)


@pytest.mark.parametrize("how", ["stop", "failure"])
async def test_tasks_are_cancelled_with_their_actor_and_before_its_on_stop(system, how):
    diary, hold = [], Hold()

    async def work():
        try:
            await hold()
        finally:
            diary.append("task ends")

    ref = await system.start(lambda: Sample(diary), options=ONCE)
    await ref.ask(spawning(work))
    await happens(hold.begun)
    if how == "stop":
        ref.stop()
    else:
        ref.tell(Fail())
    await ref.stopped()
    assert diary == ["starts", "task ends", "stops"]


async def test_task_that_raises_something_else_while_it_is_cancelled_harms_nobody(system):
    hold = Hold()

    async def work():
        try:
            await hold()
        finally:
            raise LookupError

    ref, other = await system.start(Sample), await system.start(Sample)
    await ref.ask(spawning(work))
    await happens(hold.begun)
    ref.stop()
    await ref.stopped()
    assert await other.ask(Get()) == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio has no cancellation that nobody asked for
async def test_cancellation_that_leaks_from_a_future_fails_the_task_and_nothing_else(system):
    """anyio takes a task that ends as cancelled for a reason to cancel its whole group."""

    async def leak():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    ref, other = await system.start(Sample), await system.start(Sample)
    await ref.ask(spawning(leak))
    [ended] = await ends_of(ref, 1)
    assert isinstance(ended.exit.cause, ActorError)
    assert await other.ask(Get()) == []


async def test_tasks_run_in_a_context_of_their_own_and_in_no_actors_name(system):
    seen = []

    async def look():
        seen.append((colour.get(), current_cell.get()))

    async def spawn(actor):
        colour.set("red")
        actor.spawn(look, name="look")

    ref = await system.start(Sample)
    await ref.ask(Do(spawn))
    await until(lambda: seen)
    assert seen == [("none", None)]


async def test_actor_without_a_lane_for_signals_cannot_spawn(system):
    class Narrow(Sample):
        lanes: ClassVar = (Lane("work"),)

    async def spawn(actor):
        with pytest.raises(KeyError, match="'signals'"):
            actor.spawn(anyio.sleep_forever, name="x")
        return len(actor.ref.cell.tasks)

    ref = await system.start(Narrow)
    assert await ref.ask(Do(spawn)) == 0


async def test_full_signals_lane_has_room_for_an_end(system):
    class Small(Sample):
        lanes: ClassVar = (Lane("signals", capacity=1), Lane("work"))

    async def quick():
        pass

    async def spawn(actor):
        actor.spawn(quick, name="one")
        actor.spawn(quick, name="two")
        await until(lambda: len(actor.ref.cell.turns.mailbox) == 2)

    ref = await system.start(Small)
    await ref.ask(Do(spawn))
    assert {ended.name for ended in await ends_of(ref, 2)} == {"one", "two"}


async def test_ended_actor_cannot_spawn(system):
    instances = []
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    ref.stop()
    await ref.stopped()
    with pytest.raises(ActorStoppedError, match="is stopped; it can start no task"):
        instances[0].spawn(anyio.sleep_forever, name="x")


async def test_actor_cannot_spawn_in_on_stop(system):
    seen = []

    class Late(Sample):
        async def on_stop(self, reason):
            try:
                self.spawn(anyio.sleep_forever, name="x")
            except ActorStoppedError as error:
                seen.append(str(error))

    ref = await system.start(Late, name="late")
    ref.stop()
    await ref.stopped()
    assert seen == ["actor late is stopping; it can start no task"]


@REAL_TIME
@in_real_time
async def test_task_that_ignores_its_end_is_abandoned(system, heard):
    begun = anyio.Event()

    async def stubborn():
        begun.set()
        await ignore_the_end()

    ref = await system.start(Sample, name="a", options=ONCE)
    await ref.ask(spawning(stubborn))
    await happens(begun)
    ref.stop("enough")
    end = await ref.stopped()
    assert str(end) == "Stopped(reason='enough')"
    await until(lambda: heard.events)
    assert heard.events == [("abandoned", "a/stubborn")]


async def test_tasks_of_an_earlier_life_end_before_the_next_begins(system):
    running = []

    async def work():
        running.append(1)
        try:
            await anyio.sleep_forever()
        finally:
            running.pop()

    class Worker(Sample):
        async def on_start(self):
            assert running == []
            self.spawn(work, name="work")

    ref = await system.start(Worker, options=SOON)
    for life in range(1, 4):
        await until(lambda: running)
        ref.tell(Fail())
        await until(lambda life=life: ref.cell.restarts == life)
    await ref.ask(Get())


async def test_task_that_was_cancelled_by_others_says_so(system):
    async def cut_short():
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep_forever()
        return "went on"

    ref = await system.start(Sample)
    await ref.ask(spawning(cut_short))
    [ended] = await ends_of(ref, 1)
    assert ended.exit == Normal("went on") != Cancelled()
