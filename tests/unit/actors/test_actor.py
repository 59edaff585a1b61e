"""The actor's own face; what its methods do in full is tested where it is done."""

from __future__ import annotations

import pytest

from procactors.actors import CONTROL, SIGNALS, WORK, Actor, Overflow, Terminated
from tests.unit.actors.samples import ONCE, Do, Get, Newest, Note, Sample, Urgent, until


def test_lanes_are_control_signals_work():
    assert Actor.lanes == (CONTROL, SIGNALS, WORK)
    assert [lane.name for lane in Actor.lanes] == ["control", "signals", "work"]
    assert [lane.overflow for lane in Actor.lanes] == [Overflow.FAIL, Overflow.COALESCE, Overflow.WAIT]


async def test_actor_that_does_not_say_how_to_receive_fails(system):
    ref = await system.start(Actor, options=ONCE)
    with pytest.raises(NotImplementedError):
        await ref.ask(Get())
    await ref.stopped()


async def test_only_receive_has_to_be_written(system):
    class Least(Actor):
        async def receive(self, message):
            return await message.action(self)

    async def interrupted(actor):
        for urgent in (Urgent(), Newest()):
            actor.ref.tell(urgent)
        seen.append(actor.has_urgent())
        actor.system.find("least").stop()

    seen = []
    ref = await system.start(Least, name="least")
    await ref.ask(Do(interrupted))
    await ref.stopped()
    assert seen == [True]


async def test_face_of_an_actor_reaches_what_does_the_work(system):
    other = await system.start(Sample, name="other")

    async def use_it(actor):
        actor.watch(other)
        actor.spawn(actor.on_start, name="task")
        actor.set_timer("late", 3600, Note())
        actor.cancel_timer("late")
        return [actor.ref.name, actor.system.name, actor.has_urgent(), actor.take_replies()]

    ref = await system.start(Sample, name="one")
    assert await ref.ask(Do(use_it)) == ["one", "actors", False, []]
    other.stop()
    await other.stopped()
    await until(lambda: ref.cell.turns.handled == 3)
    told = await ref.ask(Get())
    assert sorted(type(message).__name__ for message in told) == ["TaskEnded", "Terminated"]
    assert Terminated.lane == SIGNALS.name
