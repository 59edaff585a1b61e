"""The life of an actor, the same for every actor class: put a new one into CASES.

A case gives a factory that makes the actor, inside whatever the actor needs (`prepare`). The suite
starts, stops, cancels and crashes it from outside; what it does with its messages is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from procactors.actors import (
    SIGNALS,
    Actor,
    ActorSystem,
    Backoff,
    Budget,
    Cancelled,
    ChildOptions,
    Failed,
    Lane,
    Message,
    Restart,
    Stopped,
    Strategy,
    Terminated,
)
from procactors.errors import ActorStoppedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Case(msgspec.Struct, frozen=True):
    """An actor class to put through the suite.

    Attributes:
        name: What the test is called.
        prepare: Returns an async context manager that gives the factory.
        loops: On which event loops it can run.
    """

    name: str
    prepare: Callable[[], AbstractAsyncContextManager[Callable[[], Actor[Any]]]]
    loops: tuple[str, ...] = ("asyncio", "trio")


def simple(kind: type[Actor[Any]]) -> Case:
    """Return the case of a class that needs nothing."""

    @asynccontextmanager
    async def prepare() -> AsyncIterator[type[Actor[Any]]]:
        yield kind

    return Case(kind.__name__, prepare)


class PlainActor(Actor[Message]):
    """Handles one message after the other."""

    async def receive(self, message):
        return None


class BatchingActor(Actor[Message]):
    """Handles batches."""

    async def receive_many(self, messages):
        return None


class LanesActor(Actor[Message]):
    """Has lanes of its own, and none of the usual names but one."""

    lanes: ClassVar = (Lane("presend"), Lane("postsend", capacity=1), SIGNALS)

    async def receive(self, message):
        return None


class BusyActor(Actor[Message]):
    """Has a child task and a timer at work all the time."""

    async def on_start(self):
        self.spawn(anyio.sleep_forever, name="for ever")
        self.set_timer("later", 3600, Message())

    async def receive(self, message):
        return None


class WatchingActor(Actor[Message]):
    """Watches another, which it starts itself, and takes it along."""

    async def on_start(self):
        self.other = await self.system.start(PlainActor)
        self.watch(self.other)

    async def receive(self, message):
        return None

    async def on_stop(self, reason):
        self.other.stop()


CASES = [simple(kind) for kind in (PlainActor, BatchingActor, LanesActor, BusyActor, WatchingActor)]


# The suite


class CrashedError(Exception):
    """What the suite makes an actor raise."""


class Handled:
    """An actor class with handles on it: it can be held in `on_start` and made to crash."""

    def __init__(self, factory):
        self._factory = factory
        self.made = []
        self.has_begun = anyio.Event()
        self.may_start = anyio.Event()
        self.may_start.set()
        self.starts_to_fail = 0
        lane = factory().lanes[-1].name
        self.crash = msgspec.defstruct("Crash", [], bases=(Message,), namespace={"lane": lane}, frozen=True)

    def hold(self):
        """Let the next one begin its start, and not end it."""
        self.may_start = anyio.Event()

    def __call__(self):
        actor = self._factory()
        on_start = actor.on_start

        async def held_on_start():
            await on_start()
            if self.starts_to_fail:
                self.starts_to_fail -= 1
                raise CrashedError
            self.has_begun.set()
            await self.may_start.wait()

        actor.on_start = held_on_start
        for method in ("receive", "receive_many"):
            if hasattr(actor, method):
                setattr(actor, method, self._breakable(getattr(actor, method)))
        self.made.append(actor)
        return actor

    def _breakable(self, method):
        async def handle(given):
            if self.crash in {type(message) for message in (given if isinstance(given, list) else [given])}:
                raise CrashedError
            return await method(given)

        return handle


AT_ONCE = Backoff(first_s=0, jitter=False)
OPTIONS = ChildOptions(backoff=AT_ONCE, grace_s=0.05)
ONCE = ChildOptions(restart=Restart.TEMPORARY, grace_s=0.05)


@pytest.fixture(
    params=[pytest.param((case, loop), id=f"{case.name}-{loop}") for case in CASES for loop in case.loops]
)
def case_and_loop(request):
    return request.param


@pytest.fixture
def anyio_backend(case_and_loop):
    return case_and_loop[1]


@pytest.fixture
async def actor(case_and_loop):
    async with case_and_loop[0].prepare() as factory:
        yield Handled(factory)


@pytest.fixture
async def system():
    """A system that ends, and leaves no task behind."""
    before = tasks()
    with anyio.fail_after(60):
        async with ActorSystem() as system:
            yield system
    assert tasks() <= before


def tasks():
    running = {task for task in anyio.get_running_tasks() if "TestRunner" not in task.coro.__qualname__}
    return {task.id: task.name for task in running}.items()


async def until(fact):
    for _ in range(10_000):
        if fact():
            return
        await checkpoint()
    raise AssertionError(fact)


async def test_start_returns_a_living_actor(system, actor):
    ref = await system.start(actor, name="it", options=OPTIONS)
    assert ref.is_alive
    assert system.find("it") is ref
    assert [row.state for row in system.tree() if row.name == "it"] == ["running"]


async def test_stop_ends_it_for_good_and_frees_its_name(system, actor):
    ref = await system.start(actor, name="it", options=OPTIONS)
    ref.stop("enough")
    assert await ref.stopped() == Stopped("enough")
    assert system.find("it") is None
    again = await system.start(actor, name="it", options=OPTIONS)
    assert again.is_alive


async def test_stop_twice_is_stop_once(system, actor):
    ref = await system.start(actor, options=OPTIONS)
    ref.stop("first")
    ref.stop("second")
    assert await ref.stopped() == Stopped("first")
    ref.stop("third")
    assert await ref.stopped() == Stopped("first")


async def test_stop_before_its_first_turn(system, actor):
    ref = system.root.spawn(actor, options=OPTIONS)
    ref.stop("early")
    assert await ref.stopped() == Stopped("early")


async def test_stop_before_start_has_ended(system, actor):
    actor.hold()
    ref = system.root.spawn(actor, options=OPTIONS)
    await actor.has_begun.wait()
    ref.stop("early")
    actor.may_start.set()
    assert await ref.stopped() == Stopped("early")


async def test_stop_when_start_never_ends(system, actor):
    actor.hold()
    async with anyio.create_task_group() as group:

        async def start():
            with pytest.raises(ActorStoppedError):
                await system.start(actor, name="it", options=OPTIONS)

        group.start_soon(start)
        await actor.has_begun.wait()
        ref = system.find("it")
        ref.stop()
        assert await ref.stopped() == Cancelled()


async def test_cancel_during_start_leaves_it_to_start(system, actor):
    actor.hold()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.start(actor, name="it", options=OPTIONS))
        await actor.has_begun.wait()
        group.cancel_scope.cancel()
    ref = system.find("it")
    actor.may_start.set()
    await until(lambda: ref.cell.state.value == "running")
    ref.stop()
    assert await ref.stopped() == Stopped()


async def test_crash_of_a_temporary_one_is_its_end(system, actor):
    ref = await system.start(actor, options=ONCE)
    ref.tell(actor.crash())
    end = await ref.stopped()
    assert isinstance(end, Failed)
    assert isinstance(end.cause, CrashedError)


async def test_crash_of_a_permanent_one_is_a_new_life_in_the_same_cell(system, actor):
    ref = await system.start(actor, name="it", options=OPTIONS)
    for number in range(1, 4):
        ref.tell(actor.crash())
        await until(lambda number=number: ref.cell.restarts == number)
        await until(lambda: ref.cell.state.value == "running")
    assert system.find("it") is ref
    assert len(set(map(id, actor.made))) == 4


async def test_crash_in_on_start_of_a_later_life_is_tried_again(system, actor):
    ref = await system.start(actor, options=OPTIONS)
    actor.starts_to_fail = 2
    ref.tell(actor.crash())
    await until(lambda: ref.cell.restarts == 3)
    await until(lambda: ref.cell.state.value == "running")


async def test_crashes_beyond_the_budget_are_its_end(system, actor):
    ref = await system.start(actor, options=ChildOptions(backoff=AT_ONCE, budget=Budget(restarts=1)))
    ref.tell(actor.crash())
    await until(lambda: ref.cell.restarts == 1)
    await until(lambda: ref.cell.state.value == "running")
    ref.tell(actor.crash())
    assert (await ref.stopped()).gave_up


async def test_stop_between_two_lives(system, actor):
    ref = await system.start(actor, options=ChildOptions(backoff=Backoff(first_s=3600)))
    ref.tell(actor.crash())
    await until(lambda: ref.cell.state.value == "resting")
    ref.stop()
    assert isinstance(await ref.stopped(), Failed)


async def test_restart_with_the_one_it_depends_on(system, actor):
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    first = await line.start(actor, options=OPTIONS)
    second = await line.start(actor, options=OPTIONS)
    first.tell(actor.crash())
    await until(lambda: second.cell.restarts == 1)
    await until(lambda: second.cell.state.value == "running")


async def test_its_end_is_told_to_those_who_watch(system, actor):
    told = []

    class Watcher(Actor[Message]):
        async def on_start(self):
            self.watch(ref)

        async def receive(self, message):
            told.append(message)

    ref = await system.start(actor, name="it", options=ONCE)
    await system.start(Watcher)
    ref.stop("enough")
    await until(lambda: told)
    assert told == [Terminated("it", Stopped("enough"))]


async def test_cancelled_system_stops_it(actor):
    before, ends = tasks(), []
    with anyio.fail_after(60), anyio.CancelScope() as scope:
        async with ActorSystem() as system:
            ref = await system.start(actor, options=OPTIONS)
            scope.cancel()
            await anyio.sleep_forever()
    ends.append(await ref.stopped())
    assert ends == [Stopped("its supervisor closes")]
    assert tasks() <= before


async def test_messages_that_wait_at_its_end_are_dead_letters(system, actor):
    actor.hold()
    ref = system.root.spawn(actor, options=OPTIONS)
    await actor.has_begun.wait()
    ref.tell(actor.crash())
    ref.stop()
    actor.may_start.set()
    assert await ref.stopped() == Stopped()
    assert system.dead_letters.total == 1
