"""The cell: name, mailbox and watchers stay through an actor's lives; its end is told."""

from __future__ import annotations

import gc
import logging
import weakref
from contextvars import ContextVar
from typing import ClassVar

import anyio
import pytest

from procactors.actors import (
    CONTROL,
    SIGNALS,
    ActorSystem,
    Backoff,
    ChildOptions,
    Failed,
    Lane,
    Message,
    Normal,
    Stopped,
    Strategy,
    Terminated,
)
from procactors.actors._ref import current_cell
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    DoNow,
    Fail,
    Get,
    Hold,
    LoopClock,
    Newest,
    Note,
    Sample,
    Urgent,
    happens,
    turns,
    until,
)

request_id = ContextVar("request_id", default="none")


# Restart in the same cell


async def test_restart_keeps_name_mailbox_and_reference(system):
    instances, hold = [], Hold()
    ref = await system.start(lambda: instances.append(Sample()) or instances[-1], name="one", options=SOON)
    ref.tell(Note(0))
    ref.tell(Do(hold))
    await happens(hold.begun)
    ref.tell(Fail())
    ref.tell(Note(1))
    hold.over.set()
    assert await ref.ask(Get()) == [Note(1)]
    assert system.find("one") is ref
    assert len(instances) == 2
    assert instances[0].told == [Note(0)]


async def test_message_that_killed_goes_its_asker_gets_the_error_and_a_tell_dies(system):
    ref = await system.start(Sample, options=SOON)

    async def die(actor):
        raise ValueError("asked to")

    with pytest.raises(ValueError, match="asked to"):
        await ref.ask(Do(die))
    ref.tell(Fail())
    await until(lambda: ref.cell.restarts == 2)
    assert await ref.ask(Get()) == []
    assert system.dead_letters.counts == {("Fail", "the actor ended while handling it"): 1}


async def test_messages_that_arrive_during_a_restart_wait_for_the_new_life(system):
    hold = Hold()

    class SlowToPutAway(Sample):
        async def on_stop(self, reason):
            await hold()

    class SlowToStart(Sample):
        async def on_start(self):
            await hold()

    lives = iter([SlowToPutAway(), SlowToStart(), Sample()])
    ref = await system.start(lambda: next(lives), options=SOON)
    ref.tell(Fail())
    await happens(hold.begun)
    answers = []

    async def ask():
        answers.append(await ref.ask(Get()))

    async with anyio.create_task_group() as group:
        ref.tell(Note(1))
        group.start_soon(ask)
        await turns()
        hold.over.set()
    assert answers == [[Note(1)]]


async def test_ask_to_a_resting_actor_times_out_as_any_other(system):
    ref = await system.start(Sample, options=ChildOptions(backoff=Backoff(first_s=3600)))
    ref.tell(Fail())
    await until(lambda: ref.cell.state.value == "resting")
    with pytest.raises(TimeoutError):
        await ref.ask(Get(), timeout=0.001)
    assert repr(ref).endswith("resting>")


async def test_factory_that_fails_at_a_restart_is_a_failure_as_any_other(system):
    made = []

    def make():
        made.append(1)
        if len(made) == 2:
            raise LookupError("no parts")
        return Sample()

    ref = await system.start(make, options=SOON)
    ref.tell(Fail())
    assert await ref.ask(Get()) == []
    assert len(made) == 3
    assert ref.cell.restarts == 2


async def test_factory_that_fails_at_the_start_leaves_nothing(system):
    def make():
        raise LookupError("no parts")

    with pytest.raises(LookupError):
        await system.start(make, name="one")
    assert system.find("one") is None
    assert len(system.tree()) == 1


# The end


async def test_watcher_is_told_of_the_end(system):
    ref, watcher = await system.start(Sample, name="one"), await system.start(Sample)

    async def watch(actor):
        actor.watch(ref)

    await watcher.ask(Do(watch))
    ref.stop("enough")
    await ref.stopped()
    assert await watcher.ask(Get()) == [Terminated("one", Stopped("enough"))]


async def test_watcher_of_the_dead_is_told_at_once(system):
    ref, watcher = await system.start(Sample, name="one"), await system.start(Sample)
    ref.stop()
    await ref.stopped()

    async def watch(actor):
        actor.watch(ref)

    await watcher.ask(Do(watch))
    assert await watcher.ask(Get()) == [Terminated("one", Stopped())]


async def test_watcher_is_told_once_however_often_it_asked_for_it(system):
    ref, watcher = await system.start(Sample, name="one"), await system.start(Sample)

    async def watch(actor):
        actor.watch(ref)
        actor.watch(ref)

    await watcher.ask(Do(watch))
    ref.stop()
    await ref.stopped()
    await watcher.ask(Get())
    assert await watcher.ask(Get()) == [Terminated("one", Stopped())]


async def test_restart_is_no_end_to_be_told(system):
    ref, watcher = await system.start(Sample, options=SOON), await system.start(Sample)

    async def watch(actor):
        actor.watch(ref)

    await watcher.ask(Do(watch))
    ref.tell(Fail())
    await until(lambda: ref.cell.restarts)
    await ref.ask(Get())
    assert await watcher.ask(Get()) == []


async def test_dead_watchers_are_forgotten(system):
    ref = await system.start(Sample)

    async def watch(actor):
        actor.watch(ref)
        actor.stop()

    for _ in range(10):
        watcher = await system.start(Sample)
        watcher.tell(Do(watch))
        await watcher.stopped()
    assert len(ref.cell.watchers) == 0


async def test_two_that_watch_each_other_can_both_end(system):
    a, b = await system.start(Sample, name="a"), await system.start(Sample, name="b")

    def watches(other):
        async def watch(actor):
            actor.watch(other)

        return Do(watch)

    await a.ask(watches(b))
    await b.ask(watches(a))
    a.stop()
    await a.stopped()
    assert await b.ask(Get()) == [Terminated("a", Stopped())]
    b.stop()
    await b.stopped()


async def test_full_signals_lane_has_room_for_the_word_of_an_end(system):
    class Small(Sample):
        lanes: ClassVar = (CONTROL, Lane("signals", capacity=1), Lane("work"))

    ref, other, watcher = [await system.start(kind) for kind in (Sample, Sample, Small)]
    hold = Hold()

    async def watch(actor):
        actor.watch(ref)
        actor.watch(other)
        await hold()

    watcher.tell(Do(watch))
    await happens(hold.begun)
    watcher.tell(Newest())
    for ending in (ref, other):
        ending.stop()
        await ending.stopped()
    hold.over.set()
    told = await watcher.ask(Get())
    assert [type(message) for message in told] == [Newest, Terminated, Terminated]


async def test_actor_without_a_lane_for_signals_cannot_watch(system):
    class Narrow(Sample):
        lanes: ClassVar = (Lane("work"),)

    ref, watcher = await system.start(Sample), await system.start(Narrow)

    async def watch(actor):
        with pytest.raises(KeyError, match="'signals'"):
            actor.watch(ref)

    await watcher.ask(Do(watch))
    ref.stop()
    assert await ref.stopped() == Stopped()


async def test_what_waits_in_the_mailbox_at_the_end_is_returned_to_its_senders(system):
    ref, hold = await system.start(Sample, options=ONCE), Hold()
    letters = []
    system.dead_letters.on_dead_letter(letters.append)

    async def work(actor):
        actor.set_timer("t", 0, Note(99))
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        await hold()

    ref.tell(Do(work))
    await happens(hold.begun)
    ref.tell(Note(1))
    ref.tell(Urgent(2))
    ref.tell(Newest("a", 3))
    ref.stop()
    hold.over.set()
    await ref.stopped()
    assert [letter.message.n for letter in letters] == [2, 3, 1]  # a timer's message had no sender
    assert {letter.reason for letter in letters} == {"the actor stopped before it came to it"}


async def test_stopping_twice_is_stopping_once(system):
    ref = await system.start(Sample)
    ref.stop("first")
    ref.stop("second")
    assert await ref.stopped() == Stopped("first")
    ref.stop("third")
    assert await ref.stopped() == Stopped("first")


async def test_stop_reaches_an_actor_that_rests(system):
    ref = await system.start(Sample, options=ChildOptions(backoff=Backoff(first_s=3600)))
    ref.tell(Fail(ValueError("died")))
    await until(lambda: ref.cell.state.value == "resting")
    ref.stop()
    end = await ref.stopped()
    assert isinstance(end, Failed)
    assert end.gave_up


async def test_stop_between_the_failure_and_the_rest_is_not_lost(system):
    ref, hold = await system.start(Sample, options=SOON), Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            hold.begun.set()
            await hold.over.wait()

    ref = await system.start(Slow, options=SOON)
    ref.tell(Fail())
    await happens(hold.begun)
    ref.stop()
    hold.over.set()
    await ref.stopped()
    assert ref.cell.restarts == 0


# What an actor is run in


async def test_actor_does_not_inherit_context_variables(system):
    request_id.set("of the request")
    ref = await system.start(Sample)

    async def look(actor):
        return request_id.get()

    assert await ref.ask(Do(look)) == "none"
    spawned = system.root.spawn(Sample)
    assert await spawned.ask(Do(look)) == "none"


async def test_actors_do_not_share_context_variables(system):
    async def paint(actor):
        request_id.set("mine")

    async def look(actor):
        return request_id.get()

    a, b = await system.start(Sample), await system.start(Sample)
    await a.ask(Do(paint))
    assert await a.ask(Do(look)) == "mine"
    assert await b.ask(Do(look)) == "none"


async def test_code_of_an_actor_knows_in_whose_turn_it_runs(system):
    ref = await system.start(Sample, name="one")

    async def look(actor):
        return current_cell.get().name

    assert await ref.ask(Do(look)) == "one"
    assert current_cell.get() is None


async def test_actor_knows_itself_and_its_system(system):
    ref = await system.start(Sample)

    async def look(actor):
        return actor.ref is ref and actor.system is system

    assert await ref.ask(Do(look))


# Nothing is left


async def test_nothing_refers_to_an_actor_after_its_end(system, caplog):
    caplog.set_level(logging.CRITICAL + 1)  # a log record keeps the traceback, and with it the actor

    class Weak(Sample):
        pass

    instances = weakref.WeakSet()

    def make():
        actor = Weak()
        instances.add(actor)
        return actor

    async def busy(actor):
        actor.set_timer("t", 3600, Note())
        actor.spawn(anyio.sleep_forever, name="task")

    ref = await system.start(make, options=SOON)
    await ref.ask(Do(busy))
    for how in (Fail(), Do(busy)):
        ref.tell(how)
    await until(lambda: ref.cell.restarts)
    ref.stop()
    await ref.stopped()
    await turns()
    gc.collect()
    assert len(instances) == 0
    assert len(system.timers) == 0


async def test_nothing_refers_to_a_cell_after_its_end(system):
    name = "one of its kind"
    ref = await system.start(Sample, name=name)
    ref.stop()
    await ref.stopped()
    await turns()
    del ref
    gc.collect()
    cells = [thing for thing in gc.get_objects() if type(thing).__name__ == "Cell" and thing.name == name]
    assert cells == []


async def test_thousand_actors_live_and_end():
    async with ActorSystem(clock=LoopClock()) as system:
        refs = [await system.start(Sample) for _ in range(1000)]
        for n, ref in enumerate(refs):
            ref.tell(Note(n))
        assert [await ref.ask(Get()) for ref in refs] == [[Note(n)] for n in range(1000)]
    assert [await ref.stopped() for ref in refs] == [Stopped("its supervisor closes")] * 1000


async def test_word_of_an_end_that_was_not_read_is_no_dead_letter(system):
    other, watcher, hold = await system.start(Sample), await system.start(Sample), Hold()

    async def watch(actor):
        actor.watch(other)
        await hold()

    watcher.tell(Do(watch))
    await happens(hold.begun)
    other.stop()
    await other.stopped()
    assert len(watcher.cell.turns.mailbox) == 1
    watcher.stop()
    hold.over.set()
    await watcher.stopped()
    assert system.dead_letters.total == 0


async def test_stopped_actor_hears_nothing_of_those_that_it_watched(system):
    other, watcher = await system.start(Sample), await system.start(Sample)

    async def watch(actor):
        actor.watch(other)

    await watcher.ask(Do(watch))
    watcher.stop()
    await watcher.stopped()
    other.stop()
    await other.stopped()
    assert system.dead_letters.total == 0


async def test_last_message_told_to_itself_in_on_stop_is_a_dead_letter(system):
    class Talkative(Sample):
        async def on_stop(self, reason):
            self.ref.tell(Note(1))

    ref = await system.start(Talkative)
    ref.stop()
    await ref.stopped()
    assert system.dead_letters.total == 1


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_actor_that_ended_by_itself_does_not_live_again(strategy):
    async with ActorSystem(clock=LoopClock(), strategy=strategy) as system:
        ref = await system.start(Sample, options=SOON)

        async def stop(actor):
            actor.stop()

        ref.tell(DoNow(stop))
        assert await ref.stopped() == Normal()
        assert ref.cell.restarts == 0


async def test_actor_may_have_lanes_of_its_own(system):
    class Before(Message, frozen=True):
        lane: ClassVar[str] = "presend"

    class After(Message, frozen=True):
        lane: ClassVar[str] = "postsend"

    class Stages(Sample):
        lanes: ClassVar = (SIGNALS, Lane("presend"), Lane("postsend"), Lane("work"))

    ref = system.root.spawn(Stages)
    ref.tell(After())
    ref.tell(Before())
    assert await ref.ask(Get()) == [Before(), After()]


async def test_ended_actor_watches_in_vain(system):
    instances, other = [], await system.start(Sample)
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    ref.stop()
    await ref.stopped()
    instances[0].watch(other)
    other.stop()
    await other.stopped()
    assert system.dead_letters.total == 0
