"""The system's block: what it starts, what it raises, what it leaves: nothing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tracemalloc

import anyio
import pytest

from procactors.actors import ActorSystem, Budget, ChildOptions, Stopped, Strategy
from procactors.errors import ActorStoppedError, AskTimeoutError
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    Fail,
    Get,
    Hold,
    LoopClock,
    Note,
    Sample,
    Stubborn,
    happens,
    in_real_time,
    running_tasks,
    turns,
    until,
)

REAL_TIME = pytest.mark.parametrize(  # what ignores its end keeps trio so busy that mock time stands still
    "anyio_backend", ["asyncio", "trio"]
)
ASYNCIO_ONLY = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def new_system(**options):
    return ActorSystem(clock=LoopClock(), **options)


# The end of the block


async def test_block_ends_with_every_actor_stopped_in_reverse_order_and_no_task_left():
    before, diary = running_tasks(), []
    async with new_system() as system:
        for name in "abc":
            await system.start(lambda name=name: Sample(diary, name))
        ref = system.find("Sample-3")
        diary.clear()
    assert diary == ["c stops", "b stops", "a stops"]
    assert await ref.stopped() == Stopped("its supervisor closes")
    assert running_tasks() <= before


async def test_block_raises_its_own_error_as_it_is():
    error, refs = LookupError("mine"), []

    async def block():
        async with new_system() as system:
            refs.append(await system.start(Sample))
            raise error

    with pytest.raises(LookupError) as raised:
        await block()
    assert raised.value is error
    assert not refs[0].is_alive


async def test_error_of_an_actor_is_not_the_blocks():
    async with new_system() as system:
        ref = await system.start(Sample, options=ONCE)
        ref.tell(Fail())
        await ref.stopped()


async def test_root_that_fails_raises_the_error_behind_it_at_the_end():
    error = ValueError("once too often")

    async def block():
        async with new_system(strategy=Strategy.REST_FOR_ONE) as system:
            ref = await system.start(Sample, options=ChildOptions(budget=Budget(restarts=0)))
            ref.tell(Fail(error))
            await ref.stopped()
            with pytest.raises(ActorStoppedError):
                await system.start(Sample)

    with pytest.raises(ValueError, match="once too often") as raised:
        await block()
    assert raised.value is error


async def test_blocks_own_error_comes_before_that_of_the_root():
    async def block():
        async with new_system(strategy=Strategy.REST_FOR_ONE) as system:
            ref = await system.start(Sample, options=ChildOptions(budget=Budget(restarts=0)))
            ref.tell(Fail())
            await ref.stopped()
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await block()


class TheEnd(BaseException):
    """As KeyboardInterrupt and SystemExit: not an actor's business."""


async def test_what_is_no_exception_ends_the_block_and_comes_out_as_it_is():
    before, error, refs = running_tasks(), TheEnd(), []

    async def work(actor):
        raise error

    async def block():
        async with new_system() as system:
            below = await system.supervise("below")
            refs.extend([await below.start(Sample), await system.start(Sample)])
            refs[0].tell(Do(work))
            await anyio.sleep_forever()

    with pytest.raises(TheEnd) as raised:
        await block()
    assert raised.value is error
    assert [ref.is_alive for ref in refs] == [False, False]
    assert running_tasks() <= before


async def test_blocks_own_error_comes_before_what_is_no_exception():
    async def work(actor):
        raise TheEnd

    async def block():
        async with new_system() as system:
            ref = await system.start(Sample)
            ref.tell(Do(work))
            await ref.stopped()
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await block()


async def test_asks_from_outside_end_with_the_system():
    answers, hold = [], Hold()

    async def ask(ref, request):
        try:
            answers.append(await ref.ask(request, timeout=None))
        except ActorStoppedError as error:
            answers.append(type(error))

    async with anyio.create_task_group() as group, new_system() as system:
        ref = await system.start(Sample, options=ONCE)
        group.start_soon(ask, ref, Do(hold))
        await happens(hold.begun)
        group.start_soon(ask, ref, Get())
        await turns()
    assert answers == [ActorStoppedError] * 2


async def test_ask_whose_reply_was_handed_on_and_lost_times_out_with_the_system():
    answers = []

    async def lose(actor):
        actor.take_reply(hand_on=True)

    async def ask(ref):
        try:
            await ref.ask(Do(lose), timeout=3600)
        except AskTimeoutError as error:
            answers.append(error)

    async with anyio.create_task_group() as group, new_system() as system:
        ref = await system.start(Sample)
        group.start_soon(ask, ref)
        await until(lambda: ref.cell.turns.handled)
    assert len(answers) == 1


# Cancelling the block


async def test_cancelled_block_stops_its_actors_in_order_and_does_not_cancel_them():
    before, diary = running_tasks(), []

    class Careful(Sample):
        async def on_stop(self, reason):
            await anyio.sleep(0.001)
            self.reasons.append(reason)
            diary.append((self.label, reason))

    async def block():
        async with new_system() as system:
            for name in "ab":
                await system.start(lambda name=name: Careful(name=name))
            begun.set()
            await anyio.sleep_forever()

    begun = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(block)
        await happens(begun)
        group.cancel_scope.cancel()
    assert diary == [("b", Stopped("its supervisor closes")), ("a", Stopped("its supervisor closes"))]
    assert running_tasks() <= before


@REAL_TIME
@in_real_time
async def test_block_that_times_out_can_end_although_an_actor_swallows_cancellation():
    before = running_tasks()
    with anyio.fail_after(60), anyio.move_on_after(0.01) as scope:
        async with new_system() as system:
            ref = await system.start(Stubborn, options=ONCE)
            ref.tell(Note())
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert running_tasks() <= before


@ASYNCIO_ONLY
async def test_task_of_the_block_can_be_cancelled_the_way_of_asyncio():
    before, diary = running_tasks(), []

    async def block():
        async with new_system() as system:
            await system.start(lambda: Sample(diary))
            await anyio.sleep_forever()

    task = asyncio.get_running_loop().create_task(block())
    await until(lambda: diary == ["starts"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary == ["starts", "stops"]
    assert running_tasks() <= before


async def test_block_that_is_cancelled_while_it_is_entered_leaves_nothing():
    before = running_tasks()
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with new_system():
            pytest.fail("the block must not be entered")
    assert scope.cancelled_caught
    await turns()
    assert running_tasks() <= before


async def test_cancelled_block_keeps_the_error_that_it_raised():
    async def block():
        async with new_system() as system:
            await system.start(Sample)
            scope.cancel()
            raise LookupError("mine")

    with anyio.CancelScope() as scope, pytest.raises(LookupError, match="mine"):
        await block()


# Abandoned actors and the end


@REAL_TIME
@in_real_time
@pytest.mark.parametrize("nested", [False, True])
async def test_block_with_an_abandoned_actor_ends_well_and_leaves_no_task(nested):
    before = running_tasks()
    with anyio.fail_after(60):
        async with new_system() as system:
            where = await system.supervise("below") if nested else system
            mule, good = await where.start(Stubborn, options=ONCE), await where.start(Sample)
            mule.tell(Note())
            await until(lambda: mule.cell.turns.current)
            mule.stop()
            await mule.stopped()
            assert await good.ask(Get()) == []
            fresh = await where.start(Sample)
    assert await fresh.stopped() == Stopped("its supervisor closes")
    assert running_tasks() <= before


@REAL_TIME
@in_real_time
async def test_error_that_is_not_of_the_abandoned_is_not_hidden_by_them():
    async def work(actor):
        raise TheEnd

    async def block():
        async with new_system() as system:
            mule, ref = await system.start(Stubborn, options=ONCE), await system.start(Sample)
            mule.tell(Note())
            await until(lambda: mule.cell.turns.current)
            mule.stop()
            await mule.stopped()
            ref.tell(Do(work))
            await anyio.sleep_forever()

    with anyio.fail_after(60), pytest.raises(TheEnd):
        await block()


PROGRAM = """
import anyio
from procactors.actors import Actor, ActorSystem, ChildOptions, Message

class Go(Message, frozen=True):
    pass

class Mule(Actor):
    async def receive(self, message):
        {wait}

async def never_ends():
    while True:
        try:
            await anyio.sleep(1)
        except BaseException:
            pass

async def main():
    async with ActorSystem() as system:
        ref = await system.start(Mule, options=ChildOptions(grace_s=0.01))
        ref.tell(Go())
        await anyio.sleep(0.01)
    print(await ref.stopped())

anyio.run(main, backend={loop!r})
print("the program ends")
"""
SWALLOWS = "await never_ends()"
IN_A_SCOPE = """
        with anyio.move_on_after(3600):
            await never_ends()
"""
IN_A_GROUP = """
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 3600)
            await never_ends()
"""
SHIELDED = """
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3600)
"""
SHIELDED_GROUP = """
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 3600)
"""


@pytest.mark.parametrize(
    ("loop", "wait"),
    [
        ("asyncio", SWALLOWS),
        ("trio", SWALLOWS),
        ("asyncio", IN_A_SCOPE),
        ("trio", IN_A_SCOPE),
        ("asyncio", IN_A_GROUP),
        ("trio", IN_A_GROUP),
        ("asyncio", SHIELDED),  # on trio a shielded wait can't be broken
        ("asyncio", SHIELDED_GROUP),
    ],
)
def test_program_with_an_actor_that_will_not_end_can_exit(loop, wait):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(loop=loop, wait=wait)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "Abandoned()\nthe program ends\n"


# The rest of its face


async def test_systems_live_side_by_side():
    async with new_system(name="one") as one, new_system(name="two") as two:
        a, b = await one.start(Sample, name="same"), await two.start(Sample, name="same")
        a.tell(Note(1))
        assert await b.ask(Get()) == []
        assert await a.ask(Get()) == [Note(1)]


async def test_system_is_entered_once():
    system = new_system()
    async with system:
        pass
    with pytest.raises(RuntimeError, match="entered once"):
        async with system:
            pass


async def test_system_that_was_not_entered_starts_nothing():
    with pytest.raises(ActorStoppedError, match="actors is not open"):
        await new_system().start(Sample)


async def test_actors_without_a_name_are_named_after_their_class(system):
    await system.start(Sample, name="Sample-2")
    names = [(await system.start(lambda: Sample([]))).name for _ in range(2)]
    assert names == ["Sample-1", "Sample-3"]


async def test_actor_can_be_found_by_its_name(system):
    ref = await system.start(Sample, name="one")
    assert system.find("one") is ref
    assert system.find("two") is None


async def test_actors_may_start_others(system):
    async def start_another(actor):
        return await actor.system.start(Sample, name="child")

    ref = await system.start(Sample)
    child = await ref.ask(Do(start_another))
    assert await child.ask(Get()) == []


async def test_repr_shows_name_and_number_of_actors(system):
    await system.start(Sample)
    assert repr(system) == "<ActorSystem actors of 1>"


async def test_system_goes_by_real_time_unless_it_is_given_a_clock():
    async with ActorSystem() as system:
        ref = await system.start(Sample)
        assert await ref.ask(Get()) == []


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer, as of coverage, takes memory too")
@ASYNCIO_ONLY  # what the loop itself needs for a task differs
async def test_idle_actor_takes_at_most_10_kib(system):
    await system.start(Sample, options=SOON)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            await system.start(Sample, options=SOON)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 200 <= 10 * 1024
