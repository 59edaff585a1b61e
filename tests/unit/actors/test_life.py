"""One life: start, messages, stop, and the force that ends what does not end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import anyio
import pytest

from procactors.actors import Abandoned, Actor, ActorSystem, Cancelled, Failed, Normal, Stopped
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
    Stubborn,
    happens,
    ignore_the_end,
    in_real_time,
    until,
)

ASYNCIO_ONLY = pytest.mark.parametrize(
    "anyio_backend", ["asyncio"]
)  # on trio a shielded wait can't be broken
NO_STRAYS = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio cancels nobody unasked
REAL_TIME = pytest.mark.parametrize(  # what ignores its end keeps trio so busy that mock time stands still
    "anyio_backend", ["asyncio", "trio"]
)


async def leak():
    """Await a future that is cancelled, though nobody cancels the task."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


# How a life ends


async def test_stopped_actor_ends_after_the_message_in_hand(system):
    diary, hold = [], Hold()
    ref = await system.start(lambda: Sample(diary))

    async def work(actor):
        await hold()
        diary.append("work done")

    ref.tell(Do(work))
    await happens(hold.begun)
    ref.stop("enough")
    hold.over.set()
    assert await ref.stopped() == Stopped("enough")
    assert diary == ["starts", "work done", "stops"]


async def test_actor_that_stops_itself_ends_normally_and_answers_before(system):
    ref = await system.start(Sample)

    async def stop(actor):
        actor.stop()
        return "last word"

    assert await ref.ask(Do(stop)) == "last word"
    assert await ref.stopped() == Normal()


async def test_actor_that_stops_itself_in_on_start_ends_normally_without_a_message(system):
    class Brief(Sample):
        async def on_start(self):
            self.stop()

    ref = await system.start(Brief)
    assert await ref.stopped() == Normal()


async def test_messages_told_during_on_start_come_after_it(system):
    hold = Hold()

    class Slow(Sample):
        async def on_start(self):
            self.ref.tell(Note(1))
            await hold()

    ref = system.root.spawn(Slow)
    await happens(hold.begun)
    ref.tell(Note(2))
    assert ref.cell.turns.handled == 0
    hold.over.set()
    assert await ref.ask(Get()) == [Note(1), Note(2)]


async def test_on_stop_hears_the_reason(system):
    instances = []
    ref = await system.start(lambda: instances.append(Sample()) or instances[-1], options=ONCE)
    error = ValueError("died")
    ref.tell(Fail(error))
    await ref.stopped()
    assert instances[0].reasons == [Failed(error)]


async def test_on_stop_is_called_also_after_an_on_start_that_failed(system):
    diary = []

    class Half(Sample):
        async def on_start(self):
            raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        await system.start(lambda: Half(diary))
    assert diary == ["stops"]


async def test_asker_of_the_message_that_killed_does_not_wait_for_on_stop(system):
    hold = Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            await hold()

    ref = await system.start(Slow)

    async def die(actor):
        raise ValueError("died")

    with pytest.raises(ValueError, match="died"):
        await ref.ask(Do(die))
    await happens(hold.begun)
    assert system.tree()[1].state == "stopping"
    assert system.tree()[1].current == ""
    hold.over.set()


# on_stop


async def test_error_in_on_stop_is_the_end_of_an_actor_that_ended_well(system, caplog):
    class Messy(Sample):
        async def on_stop(self, reason):
            raise LookupError("lost my keys")

    ref = await system.start(Messy)
    ref.stop()
    end = await ref.stopped()
    assert str(end.error) == "lost my keys"
    assert "failed in on_stop" in caplog.text


async def test_error_in_on_stop_does_not_hide_the_error_before(system):
    class Messy(Sample):
        async def on_stop(self, reason):
            raise LookupError("lost my keys")

    ref = await system.start(Messy, options=ONCE)
    ref.tell(Fail(ValueError("died")))
    assert str((await ref.stopped()).error) == "died"


async def test_actor_that_stops_itself_is_not_restarted_because_of_its_on_stop(system):
    class Messy(Sample):
        async def on_stop(self, reason):
            raise LookupError("lost my keys")

    async def stop(actor):
        actor.stop()

    ref = await system.start(Messy, options=SOON)
    ref.tell(Do(stop))
    assert isinstance(await ref.stopped(), Failed)
    assert ref.cell.restarts == 0


async def test_on_stop_runs_to_its_end_in_an_actor_that_was_cancelled(system):
    diary = []

    class Careful(Sample):
        async def on_stop(self, reason):
            await anyio.sleep(0.001)
            diary.append(reason)

    async def work(actor):
        await anyio.sleep_forever()

    ref = await system.start(Careful, options=ONCE)
    ref.tell(Do(work))
    await until(lambda: ref.cell.turns.current)
    ref.stop()
    assert await ref.stopped() == Cancelled()
    assert diary == [Cancelled()]


async def test_on_stop_is_bounded_by_the_grace(system, caplog):
    class Slow(Sample):
        async def on_stop(self, reason):
            await anyio.sleep_forever()

    ref = await system.start(Slow, name="slow", options=ONCE)
    ref.stop("enough")
    assert await ref.stopped() == Stopped("enough")
    assert "on_stop of actor slow took more than 0.01 s" in caplog.text


@REAL_TIME
@in_real_time
@pytest.mark.parametrize("how", ["stop", "failure"])
async def test_actor_whose_on_stop_ignores_its_bound_is_abandoned(system, how):
    class Never(Sample):
        async def on_stop(self, reason):
            await ignore_the_end()

    ref = await system.start(Never, options=ONCE)
    if how == "stop":
        ref.stop()
    else:
        ref.tell(Fail())
    with anyio.fail_after(60):
        assert await ref.stopped() == Abandoned()


# Scopes and groups that are open through a life


class Grouped(Sample):
    """Has a task group open from `on_start` to `on_stop`, as clients of many libraries have."""

    async def on_start(self):
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(anyio.sleep_forever)

    async def on_stop(self, reason):
        self.group.cancel_scope.cancel()
        await self.group.__aexit__(None, None, None)
        self.diary.append("closed")


async def test_group_that_on_start_opened_can_be_closed_in_on_stop(system):
    diary = []
    ref = await system.start(lambda: Grouped(diary), options=SOON)
    ref.tell(Fail())
    assert await ref.ask(Get()) == []
    ref.stop()
    assert await ref.stopped() == Stopped()
    assert diary == ["closed", "closed"]


class Careless(Grouped):
    async def on_stop(self, reason):
        pass


@REAL_TIME  # trio's mock clock does not see that tasks of a corrupted stack are blocked
@pytest.mark.parametrize("kind", [Careless, Grouped])
async def test_actor_that_leaves_a_group_open_fails_for_good_and_harms_nobody_else(system, kind, caplog):
    """Also one that was cancelled: its `on_stop` runs in another scope, and can't close the group."""
    ref, other = await system.start(kind, options=SOON), await system.start(Sample)
    if kind is Careless:
        ref.tell(Fail())
    else:
        ref.tell(Do(Hold()))
        await until(lambda: ref.cell.turns.current)
        ref.stop()
    with anyio.fail_after(60):
        end = await ref.stopped()
    assert isinstance(end.cause, RuntimeError)
    assert "with a cancel scope or task group of its own still open" in caplog.text
    assert await other.ask(Get()) == []


# Cancellation


async def test_actor_that_does_not_stop_within_its_grace_is_cancelled(system):
    cleaned = []

    async def work(actor):
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(1)

    ref = await system.start(Sample, options=ONCE)
    ref.tell(Do(work))
    await until(lambda: ref.cell.turns.current)
    ref.stop()
    assert await ref.stopped() == Cancelled()
    assert cleaned == [1]
    assert system.dead_letters.counts == {("Do", "the actor ended while handling it"): 1}


async def test_actor_is_cancelled_during_on_start_if_a_stop_does_not_help(system):
    begun = anyio.Event()

    class Stuck(Sample):
        async def on_start(self):
            begun.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:

        async def start():
            with pytest.raises(ActorStoppedError, match="ended while it started: Cancelled"):
                await system.start(Stuck, name="stuck", options=ONCE)

        group.start_soon(start)
        await happens(begun)
        system.find("stuck").stop()


@NO_STRAYS
async def test_cancellation_that_leaks_from_a_future_is_a_failure_of_the_actor(system):
    ref, other = await system.start(Sample, options=SOON), await system.start(Sample)

    async def work(actor):
        await leak()

    with pytest.raises(ActorError, match="nobody cancelled it"):
        await ref.ask(Do(work))
    await until(lambda: ref.cell.restarts == 1)
    assert await ref.ask(Get()) == []
    assert await other.ask(Get()) == []


@NO_STRAYS
async def test_cancellation_that_leaks_in_on_stop_harms_nobody_else(system):
    """`task.cancel(); await task` in `on_stop` is what everybody writes."""

    class Usual(Sample):
        async def on_stop(self, reason):
            await leak()

    ref, other = await system.start(Usual), await system.start(Sample)
    ref.stop()
    assert isinstance((await ref.stopped()).error, ActorError)
    assert await other.ask(Get()) == []


@NO_STRAYS
async def test_loop_that_cancels_all_its_tasks_ends_an_actor_for_good():
    """As `asyncio.run` does at its end: nothing may come to life again then."""
    lives, begun = [], asyncio.Event()

    class Endless(Actor):
        async def receive(self, message):
            lives.append(1)
            begun.set()
            await anyio.sleep_forever()

    async def program():
        async with ActorSystem() as system:
            ref = await system.start(Endless, options=SOON)
            ref.tell(Note())
            await anyio.sleep_forever()

    loop = asyncio.get_running_loop()
    known = asyncio.all_tasks()
    task = loop.create_task(program())
    await begun.wait()
    for other in asyncio.all_tasks() - known:
        other.cancel()
    with anyio.fail_after(60):
        await until(task.done)
    assert lives == [1]
    assert not asyncio.all_tasks() - known
    with pytest.raises(asyncio.CancelledError):
        task.result()


# Abandonment


@REAL_TIME
@in_real_time
async def test_actor_that_swallows_cancellation_is_abandoned_and_reported(system, heard, caplog):
    ref = await system.start(Stubborn, name="mule", options=ONCE)
    answers = []

    async def ask():
        try:
            await ref.ask(Get(), timeout=None)
        except ActorStoppedError as error:
            answers.append(str(error))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await until(lambda: ref.cell.turns.current)
        ref.stop()
        with anyio.fail_after(60):
            assert await ref.stopped() == Abandoned()
    assert answers == ["actor mule ended (Abandoned()) before it replied"]
    assert ("abandoned", "mule") in heard.events
    assert "mule ignored stop and cancellation" in caplog.text


@REAL_TIME
@in_real_time
async def test_abandoned_actor_waits_for_nobody_any_more(system):
    """What it asked when it was left may still be asked by others, without a ring being seen."""
    other, hold = await system.start(Sample), Hold()
    other.tell(Do(hold))

    class Asking(Sample):
        async def receive(self, message):
            while True:
                with suppress(BaseException):
                    await other.ask(Get(), timeout=None)

    ref = await system.start(Asking, options=ONCE)
    ref.tell(Note())
    await until(lambda: ref.cell.asks)
    ref.stop()
    with anyio.fail_after(60):
        await ref.stopped()
    assert ref.cell.asks == []
    hold.over.set()


@ASYNCIO_ONLY
async def test_actor_in_a_shielded_wait_is_abandoned(system):
    async def work(actor):
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()

    ref, other = await system.start(Sample, options=ONCE), await system.start(Sample)
    ref.tell(Do(work))
    await until(lambda: ref.cell.turns.current)
    ref.stop()
    with anyio.fail_after(60):
        assert await ref.stopped() == Abandoned()
    assert await other.ask(Get()) == []  # its open scope is nobody else's trouble


@ASYNCIO_ONLY
@in_real_time
@pytest.mark.parametrize("shield", [False, True])
async def test_task_group_of_an_abandoned_actor_leaves_no_task(system, shield):
    async def work(actor):
        with anyio.CancelScope(shield=shield):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                with anyio.move_on_after(3600):
                    await ignore_the_end()

    ref, other = await system.start(Sample, options=ONCE), await system.start(Sample)
    ref.tell(Do(work))
    await until(lambda: ref.cell.turns.current)
    ref.stop()
    with anyio.fail_after(60):
        assert await ref.stopped() == Abandoned()
    assert await other.ask(Get()) == []


@REAL_TIME
@in_real_time
async def test_child_tasks_of_an_abandoned_actor_are_cancelled(system):
    ended = []

    async def child():
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(1)

    async def work(actor):
        actor.spawn(child, name="child")
        await anyio.lowlevel.checkpoint()
        await ignore_the_end()

    ref = await system.start(Sample, options=ONCE)
    ref.tell(Do(work))
    await until(lambda: len(ref.cell.tasks))
    ref.stop()
    with anyio.fail_after(60):
        assert await ref.stopped() == Abandoned()
    assert ended == [1]


@ASYNCIO_ONLY
async def test_actor_can_be_abandoned_at_once(system):
    ref = await system.start(Sample)
    ref.tell(Do(Hold()))
    await until(lambda: ref.cell.turns.current)
    ref.cell.abandon()
    assert await ref.stopped() == Abandoned()
    ref.cell.abandon()


# Stop before the start has ended


async def test_actor_that_is_stopped_before_its_first_turn_starts_and_ends(system):
    diary = []
    ref = system.root.spawn(lambda: Sample(diary))
    ref.stop("early")
    ref.tell(Note())
    assert await ref.stopped() == Stopped("early")
    assert diary == ["starts", "stops"]
    assert system.dead_letters.total == 1


async def test_actor_that_is_stopped_before_its_first_turn_is_cancelled_if_it_hangs(system):
    class Stuck(Sample):
        async def on_start(self):
            await anyio.sleep_forever()

    ref = system.root.spawn(Stuck, options=ONCE)
    ref.stop()
    assert await ref.stopped() == Cancelled()


async def test_actor_hears_of_a_stop_during_on_start(system):
    hold = Hold()

    class Attentive(Sample):
        async def on_start(self):
            await hold()

        def on_stop_requested(self):
            hold.over.set()

    ref = system.root.spawn(Attentive)
    await happens(hold.begun)
    ref.stop("enough")
    assert await ref.stopped() == Stopped("enough")


async def test_error_in_on_stop_requested_is_the_actors_and_not_the_stoppers(system):
    class Clumsy(Sample):
        def on_stop_requested(self):
            raise LookupError("clumsy")

    ref = await system.start(Clumsy)
    ref.stop()
    assert str((await ref.stopped()).error) == "clumsy"


async def test_actor_that_is_putting_things_away_does_not_hear_of_a_stop(system, caplog):
    heard, hold = [], Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            await hold()

        def on_stop_requested(self):
            heard.append(1)

    ref = await system.start(Slow, options=SOON)
    with caplog.at_level(logging.CRITICAL):
        ref.tell(Fail())
        await happens(hold.begun)
        ref.stop()
        hold.over.set()
        end = await ref.stopped()
    assert isinstance(end, Failed)
    assert ref.cell.restarts == 0
    assert heard == []
