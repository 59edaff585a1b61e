"""Supervision: starting in order, restarts, budgets, rest-for-one, nested supervisors, closing."""

from __future__ import annotations

import random

import anyio
import pytest

from procactors.actors import (
    Abandoned,
    ActorSystem,
    Backoff,
    Budget,
    Cancelled,
    ChildOptions,
    Failed,
    Stopped,
    Strategy,
)
from procactors.actors._supervisor import Supervisor
from procactors.errors import ActorStoppedError
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    Fail,
    Get,
    Heard,
    Hold,
    LoopClock,
    Note,
    Sample,
    Stubborn,
    happens,
    in_real_time,
    turns,
    until,
)

REAL_TIME = pytest.mark.parametrize(  # what ignores its end keeps trio so busy that mock time stands still
    "anyio_backend", ["asyncio", "trio"]
)
TWICE = ChildOptions(
    backoff=Backoff(first_s=0, jitter=False), budget=Budget(restarts=2, window_s=3600), grace_s=0.01
)


def sample(diary, name, kind=Sample):
    return lambda: kind(diary, name)


async def lives_again(ref, number=1):
    """Wait until the actor has begun its restart of that number."""
    await until(lambda: ref.cell.restarts == number)
    return await ref.ask(Get())


@pytest.fixture
async def line(system):
    """Three actors under rest-for-one, and their diary."""
    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    refs = [await supervisor.start(sample(diary, name), name=name, options=SOON) for name in "abc"]
    diary.clear()
    return supervisor, refs, diary


# Starting


async def test_start_returns_when_on_start_is_done(system):
    diary = []

    class Slow(Sample):
        async def on_start(self):
            await turns(5)
            diary.append("started")

    ref = await system.start(Slow)
    assert diary == ["started"]
    assert ref.cell.state.value == "running"


async def test_spawned_actor_takes_messages_before_it_has_started(system):
    ref = system.root.spawn(Sample)
    ref.tell(Note(1))
    assert repr(ref).endswith("starting>")
    assert await ref.ask(Get()) == [Note(1)]


@pytest.mark.parametrize("options", [SOON, ONCE], ids=["permanent", "temporary"])
async def test_failed_start_is_raised_and_not_tried_again(system, options):
    tries = []

    class Broken(Sample):
        async def on_start(self):
            tries.append(1)
            raise LookupError("no parts")

    with pytest.raises(LookupError, match="no parts"):
        await system.start(Broken, name="one", options=options)
    assert tries == [1]
    assert system.find("one") is None
    assert system.root.children() == ()


async def test_cancelled_start_leaves_the_actor_to_start(system):
    hold = Hold()

    class Slow(Sample):
        async def on_start(self):
            await hold()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.start(Slow, name="slow"))
        await happens(hold.begun)
        group.cancel_scope.cancel()
    hold.over.set()
    assert await system.find("slow").ask(Get()) == []


async def test_start_of_an_actor_that_ends_at_once_still_returns_its_reference(system):
    class Brief(Sample):
        async def on_start(self):
            self.stop()

    ref = await system.start(Brief)
    await ref.stopped()


async def test_names_are_unique_among_children_of_all_kinds(system):
    await system.supervise("one")
    with pytest.raises(ValueError, match="'one'"):
        await system.start(Sample, name="one")
    with pytest.raises(ValueError, match="'one'"):
        await system.supervise("one")
    await system.start(Sample, name="two")
    with pytest.raises(ValueError, match="'two'"):
        await system.supervise("two")
    below = await system.supervise("three")
    with pytest.raises(ValueError, match="'two' is alive"):
        await below.start(Sample, name="two")
    assert below.children() == ()


async def test_supervisor_is_closed_for_children_before_it_serves_and_after_it_closed():
    supervisor = Supervisor("alone", ActorSystem(), Strategy.ONE_FOR_ONE)
    with pytest.raises(ActorStoppedError, match="alone is not open"):
        supervisor.spawn(Sample)
    with pytest.raises(ActorStoppedError, match="alone is not open"):
        await supervisor.supervise("below")


async def test_closing_supervisor_starts_nothing(system):
    hold = Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            await hold()

    supervisor = await system.supervise("below")
    await supervisor.start(Slow)
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.close)
        await happens(hold.begun)
        with pytest.raises(ActorStoppedError):
            await supervisor.start(Sample)
        with pytest.raises(ActorStoppedError):
            await supervisor.supervise("further below")
        hold.over.set()
    assert system.root.children() == ()


# Restarting


async def test_permanent_actor_is_restarted_and_it_is_reported(system, heard, caplog):
    ref = await system.start(Sample, name="one", options=SOON)
    ref.tell(Fail())
    assert await ref.ask(Get()) == []
    assert heard.events == [("dead letter", "one", "Fail"), ("restarted", "one", 0)]
    assert "actor one failed and restarts in 0.000 s" in caplog.text
    assert "ValueError: as told" in caplog.text


async def test_temporary_actor_is_not_restarted_and_it_is_reported(system, heard):
    ref = await system.start(Sample, name="one", options=ONCE)
    error = ValueError("died")
    ref.tell(Fail(error))
    assert await ref.stopped() == Failed(error, gave_up=True)
    assert heard.events == [("dead letter", "one", "Fail"), ("gave up", "one")]


async def test_stopped_actor_is_not_restarted(system):
    ref = await system.start(Sample, options=SOON)
    ref.stop()
    assert await ref.stopped() == Stopped()
    assert ref.cell.restarts == 0


async def test_cancelled_actor_is_not_restarted(system):
    ref = await system.start(Sample, options=SOON)
    ref.tell(Do(Hold()))
    await until(lambda: ref.cell.turns.current)
    ref.stop()
    assert await ref.stopped() == Cancelled()
    assert ref.cell.restarts == 0


async def test_failing_on_start_of_a_later_life_is_tried_again(system):
    lives = []

    class Flaky(Sample):
        async def on_start(self):
            lives.append(1)
            if len(lives) in {2, 3}:
                raise LookupError("not yet")

    ref = await system.start(Flaky, options=SOON)
    ref.tell(Fail())
    assert await ref.ask(Get()) == []
    assert len(lives) == 4


@pytest.mark.parametrize("jitter", [False, True])
async def test_restart_waits_for_a_delay_that_grows_and_is_drawn_from_one_source(jitter):
    heard = Heard()
    options = ChildOptions(backoff=Backoff(first_s=0.001, factor=2, jitter=jitter))
    async with ActorSystem(clock=LoopClock(), observer=heard, rng=random.Random(7)) as system:
        ref = await system.start(Sample, name="one", options=options)
        begun = system.clock.monotonic()
        for _ in range(3):
            ref.tell(Fail())
            await ref.ask(Get())
        passed = system.clock.monotonic() - begun
    delays = [event[2] for event in heard.events if event[0] == "restarted"]
    draws = random.Random(7)
    full = [0.001, 0.002, 0.004]
    expected = [delay * (0.5 + draws.random() / 2) for delay in full] if jitter else full
    assert delays == pytest.approx(expected)
    assert passed >= sum(delays) * 0.99


async def test_child_that_used_up_its_budget_stays_down_and_the_others_go_on(system, heard):
    bad, good = await system.start(Sample, name="bad", options=TWICE), await system.start(Sample)
    for _ in range(3):
        bad.tell(Fail())
    end = await bad.stopped()
    assert end.gave_up
    assert bad.cell.restarts == 2
    assert await good.ask(Get()) == []
    assert heard.events[-1] == ("gave up", "bad")


async def test_every_child_has_a_budget_of_its_own(system):
    refs = [await system.start(Sample, options=TWICE) for _ in range(2)]
    for ref in refs:
        for _ in range(2):
            ref.tell(Fail())
        assert await ref.ask(Get()) == []


async def test_name_that_is_used_again_has_a_fresh_budget(system):
    for _ in range(3):
        ref = await system.start(Sample, name="one", options=TWICE)
        for _ in range(2):
            ref.tell(Fail())
        await ref.ask(Get())
        ref.stop()
        await ref.stopped()


async def test_one_failure_concerns_nobody_else_under_one_for_one(system):
    diary = []
    refs = [await system.start(sample(diary, name), options=SOON) for name in "abc"]
    diary.clear()
    refs[0].tell(Fail())
    await refs[0].ask(Get())
    assert diary == ["a stops", "a starts"]


# Rest for one


async def test_those_after_the_failed_one_stop_in_reverse_and_start_in_order(line):
    _, (_, b, c), diary = line
    b.tell(Fail())
    await lives_again(c)
    assert diary == ["b stops", "c stops", "b starts", "c starts"]


async def test_first_one_takes_all_with_it(line):
    _, (a, _, c), diary = line
    a.tell(Fail())
    await lives_again(c)
    assert diary == ["a stops", "c stops", "b stops", "a starts", "b starts", "c starts"]


async def test_restart_with_another_costs_nothing_of_the_own_budget(system):
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(Sample, options=SOON)
    b = await supervisor.start(Sample, options=TWICE)
    for number in range(1, 6):
        a.tell(Fail())
        await lives_again(b, number)


async def test_halted_actor_keeps_its_messages_and_its_reference(line):
    _, (a, b, c), _ = line
    hold = Hold()
    c.tell(Do(hold))
    await happens(hold.begun)
    b.tell(Note(1))
    c.tell(Note(2))
    await b.ask(Get())
    a.tell(Fail())
    await until(lambda: a.cell.state.value == "resting")
    c.tell(Note(3))
    hold.over.set()
    assert await c.ask(Get()) == [Note(2), Note(3)]


async def test_actor_may_ask_the_one_it_depends_on_when_it_starts_again(system):
    """So the first one has to be at work before the next one starts."""
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(Sample, name="a", options=SOON)
    seen = []

    class Dependent(Sample):
        async def on_start(self):
            seen.append(await a.ask(Get(), timeout=1))

    b = await supervisor.start(Dependent, options=SOON)
    a.tell(Fail())
    await lives_again(b)
    assert seen == [[], []]


async def test_actor_that_halts_slowly_is_cancelled_and_lives_again(line):
    _, (a, b, c), diary = line
    b.tell(Do(Hold()))
    await until(lambda: b.cell.turns.current)
    a.tell(Fail())
    assert await b.ask(Get()) == []
    assert await lives_again(c) == []
    assert diary == ["a stops", "c stops", "b stops", "a starts", "b starts", "c starts"]


async def test_two_failures_at_once_do_not_wait_for_each_other(line):
    _, (a, b, c), diary = line
    b.tell(Fail())
    a.tell(Fail())
    for ref in (a, b, c):
        assert await lives_again(ref) == []
    assert diary[-3:] == ["a starts", "b starts", "c starts"]


async def test_failure_before_a_failed_one_that_rests_is_waited_for(system):
    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    slow = ChildOptions(backoff=Backoff(first_s=0.02, jitter=False))
    a = await supervisor.start(sample(diary, "a"), options=slow)
    b = await supervisor.start(sample(diary, "b"), options=SOON)
    c = await supervisor.start(sample(diary, "c"), options=SOON)
    diary.clear()
    a.tell(Fail())
    await until(lambda: a.cell.state.value == "resting" and b.cell.state.value == "resting")
    assert await c.ask(Get()) == []
    assert diary == ["a stops", "c stops", "b stops", "a starts", "b starts", "c starts"]


async def test_one_that_fails_while_it_is_halted_lives_again_with_the_others(system):
    class Messy(Sample):
        async def on_stop(self, reason):
            await super().on_stop(reason)
            raise LookupError("lost my keys")

    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(sample(diary, "a"), options=SOON)
    b = await supervisor.start(sample(diary, "b", Messy), options=TWICE)
    for number in range(1, 5):
        a.tell(Fail())
        await lives_again(b, number)


async def test_on_start_that_fails_in_the_middle_of_the_line_is_tried_again_before_the_rest(system):
    diary, fails = [], []

    class Flaky(Sample):
        async def on_start(self):
            await super().on_start()
            if fails:
                raise fails.pop()

    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(sample(diary, "a"), options=SOON)
    await supervisor.start(sample(diary, "b", Flaky), options=SOON)
    c = await supervisor.start(sample(diary, "c"), options=SOON)
    diary.clear()
    fails.append(LookupError("not yet"))
    a.tell(Fail())
    await lives_again(c)
    assert diary[3:] == ["a starts", "b starts", "b stops", "b starts", "c starts"]


async def test_those_that_wait_live_again_when_the_failed_one_is_stopped_for_good(system):
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    slow = ChildOptions(backoff=Backoff(first_s=3600))
    a = await supervisor.start(Sample, options=slow)
    b = await supervisor.start(Sample, options=SOON)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == b.cell.state.value == "resting")
    a.stop()
    await a.stopped()
    assert await b.ask(Get()) == []


async def test_halted_actor_can_be_stopped_for_good(system):
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    slow = ChildOptions(backoff=Backoff(first_s=3600))
    a = await supervisor.start(Sample, options=slow)
    b = await supervisor.start(Sample, options=SOON)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == b.cell.state.value == "resting")
    b.stop("enough")
    await b.stopped()
    assert supervisor.children() == (a.cell,)


async def test_stop_that_comes_while_it_is_being_halted_is_for_good(line):
    _, (a, b, c), _ = line
    hold = Hold()
    b.tell(Do(hold))
    await happens(hold.begun)
    a.tell(Fail())
    await until(lambda: c.cell.state.value == "resting")
    b.stop("enough")
    hold.over.set()
    assert await b.stopped() == Stopped("enough")
    assert await c.ask(Get()) == []


async def test_stop_that_comes_when_its_turn_has_come_is_for_good(system):
    """Between the waking of a halted actor and its next life."""
    stops, supervisor = [], await system.supervise("line", Strategy.REST_FOR_ONE)

    class StopsTheNext(Sample):
        async def on_start(self):
            if stops:
                self.ref.tell(Do(stops[0]))

    async def stop_b(actor):
        b.stop("enough")

    a = await supervisor.start(StopsTheNext, options=SOON)
    diary = []
    b = await supervisor.start(sample(diary, "b"), options=SOON)
    c = await supervisor.start(Sample, options=SOON)
    stops.append(stop_b)
    a.tell(Fail())
    await b.stopped()
    assert await c.ask(Get()) == []
    assert diary in (["b starts", "b stops"], ["b starts", "b stops", "b starts", "b stops"])


async def test_temporary_one_that_is_halted_ends_for_good(system):
    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(sample(diary, "a"), options=SOON)
    b = await supervisor.start(sample(diary, "b"), options=ONCE)
    c = await supervisor.start(sample(diary, "c"), options=SOON)
    diary.clear()
    a.tell(Fail())
    assert await b.stopped() == Stopped("an actor that it may depend on restarts")
    await lives_again(c)
    assert diary == ["a stops", "c stops", "b stops", "a starts", "c starts"]


async def test_failure_of_a_temporary_one_concerns_nobody_else(system):
    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(sample(diary, "a"), options=ONCE)
    b = await supervisor.start(sample(diary, "b"), options=SOON)
    diary.clear()
    a.tell(Fail())
    await a.stopped()
    await b.ask(Get())
    assert diary == ["a stops"]


@REAL_TIME
@in_real_time
async def test_one_that_is_abandoned_when_halted_does_not_hold_up_the_rest(system):
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await supervisor.start(Sample, options=SOON)
    b = await supervisor.start(Stubborn, options=SOON)
    c = await supervisor.start(Sample, options=SOON)
    b.tell(Note())
    await until(lambda: b.cell.turns.current)
    a.tell(Fail())
    with anyio.fail_after(60):
        assert await b.stopped() == Abandoned()
        await lives_again(c)


async def test_one_that_is_still_starting_is_halted_too(system):
    supervisor, hold, diary = await system.supervise("line", Strategy.REST_FOR_ONE), Hold(), []

    class Slow(Sample):
        async def on_start(self):
            await super().on_start()
            await hold()

    a = await supervisor.start(sample(diary, "a"), options=SOON)
    b = supervisor.spawn(sample(diary, "b", Slow), options=ChildOptions(grace_s=60))
    c = supervisor.spawn(sample(diary, "c"))
    await happens(hold.begun)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == "resting")
    hold.over.set()
    for ref in (a, b, c):
        await lives_again(ref)
    assert diary[-3:] == ["a starts", "b starts", "c starts"]


async def test_first_start_that_fails_while_it_is_halted_is_a_failed_start(system):
    supervisor, hold = await system.supervise("line", Strategy.REST_FOR_ONE), Hold()

    class Broken(Sample):
        async def on_start(self):
            await hold()
            raise LookupError("no parts")

    a = await supervisor.start(Sample, options=SOON)
    b = supervisor.spawn(Broken, options=ChildOptions(grace_s=60))
    await happens(hold.begun)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == "resting")
    hold.over.set()
    assert isinstance(await b.stopped(), Failed)
    assert await a.ask(Get()) == []


async def test_one_that_has_not_had_its_first_turn_is_halted_too(system):
    supervisor, diary = await system.supervise("line", Strategy.REST_FOR_ONE), []

    async def fail_with_a_child(actor):
        supervisor.spawn(sample(diary, "b"), name="b", options=SOON)
        raise ValueError("died")

    a = await supervisor.start(Sample, options=SOON)
    a.tell(Do(fail_with_a_child))
    await until(lambda: a.cell.restarts)
    await system.find("b").ask(Get())
    assert diary[-1] == "b starts"


async def test_line_whose_actor_uses_up_its_budget_is_stopped_in_reverse_and_fails(system, caplog):
    diary = []
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    refs = [await supervisor.start(sample(diary, name), name=name, options=TWICE) for name in "abc"]
    error = ValueError("once too often")
    for n in range(3):
        refs[1].tell(Fail(error))
        if n < 2:
            await lives_again(refs[2], n + 1)
    diary.clear()
    await refs[0].stopped()
    await until(lambda: supervisor.exit)
    assert supervisor.exit == Failed(error, gave_up=True)
    assert diary[-2:] == ["c stops", "a stops"]
    assert "supervisor line fails: b used up its restarts" in caplog.text
    assert system.root.children() == ()


# Nested supervisors


async def test_nested_line_that_fails_leaves_those_beside_it_alone_under_one_for_one(system):
    beside = await system.start(Sample)
    supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
    ref = await supervisor.start(Sample, options=ChildOptions(budget=Budget(restarts=0)))
    ref.tell(Fail())
    await until(lambda: supervisor.exit)
    assert await beside.ask(Get()) == []
    assert await system.supervise("line") is not supervisor


async def test_nested_line_that_fails_fails_the_line_above():
    error = ValueError("once too often")

    async def block():
        async with ActorSystem(clock=LoopClock(), strategy=Strategy.REST_FOR_ONE) as system:
            beside = await system.start(Sample)
            supervisor = await system.supervise("line", Strategy.REST_FOR_ONE)
            ref = await supervisor.start(Sample, options=ChildOptions(budget=Budget(restarts=0)))
            ref.tell(Fail(error))
            await beside.stopped()

    with pytest.raises(ValueError, match="once too often") as raised:
        await block()
    assert raised.value is error


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_nested_supervisor_is_halted_and_resumed_in_its_place(system, strategy):
    diary = []
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await line.start(sample(diary, "a"), options=SOON)
    nested = await line.supervise("nested", strategy)
    b = await nested.start(sample(diary, "b"), options=SOON)
    c = await nested.start(sample(diary, "c"), options=SOON)
    gone = await nested.start(sample(diary, "gone"), options=ONCE)
    d = await line.start(sample(diary, "d"), options=SOON)
    diary.clear()
    a.tell(Fail())
    for ref in (a, b, c, d):
        await lives_again(ref)
    assert not gone.is_alive
    assert diary[:5] == ["a stops", "d stops", "gone stops", "c stops", "b stops"]
    assert diary[5] == "a starts"
    assert diary[8] == "d starts"
    if strategy is Strategy.REST_FOR_ONE:
        assert diary[6:8] == ["b starts", "c starts"]


async def test_empty_nested_supervisor_holds_up_nobody(system):
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await line.start(Sample, options=SOON)
    await line.supervise("nested")
    b = await line.start(Sample, options=SOON)
    a.tell(Fail())
    await lives_again(b)


async def test_supervisors_can_be_nested_deeply_and_are_resumed_as_deeply(system):
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await line.start(Sample, options=SOON)
    deepest = line
    for depth in range(5):
        deepest = await deepest.supervise(f"level {depth}", list(Strategy)[depth % 2])
    deep = await deepest.start(Sample, options=SOON)
    last = await line.start(Sample, options=SOON)
    a.tell(Fail())
    for ref in (deep, last):
        await lives_again(ref)


async def test_failure_in_a_nested_supervisor_concerns_only_what_is_in_it(system):
    diary = []
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    nested = await line.supervise("nested", Strategy.REST_FOR_ONE)
    b = await nested.start(sample(diary, "b"), options=SOON)
    c = await nested.start(sample(diary, "c"), options=SOON)
    d = await line.start(sample(diary, "d"), options=SOON)
    diary.clear()
    b.tell(Fail())
    for ref in (b, c):
        await lives_again(ref)
    await d.ask(Get())
    assert diary == ["b stops", "c stops", "b starts", "c starts"]


async def test_nested_supervisor_can_be_closed_alone(system):
    nested = await system.supervise("nested")
    ref = await nested.start(Sample)
    assert nested.exit is None
    await nested.close()
    assert nested.exit == Stopped()
    assert await ref.stopped() == Stopped("its supervisor closes")
    await nested.close()
    await system.supervise("nested")


async def test_halted_supervisor_can_be_closed(system):
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await line.start(Sample, options=ChildOptions(backoff=Backoff(first_s=3600)))
    nested = await line.supervise("nested")
    b = await nested.start(Sample, options=SOON)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == b.cell.state.value == "resting")
    await nested.close()
    assert not b.is_alive
    await line.close()


# Closing


async def test_children_stop_in_reverse_order_of_starting(system):
    diary = []
    line = await system.supervise("line")
    await line.start(sample(diary, "a"))
    nested = await line.supervise("nested")
    await nested.start(sample(diary, "b"))
    await nested.start(sample(diary, "c"))
    await line.start(sample(diary, "d"))
    diary.clear()
    await line.close()
    assert diary == ["d stops", "c stops", "b stops", "a stops"]


async def test_closing_does_not_wait_for_a_rest(system):
    line = await system.supervise("line", Strategy.REST_FOR_ONE)
    a = await line.start(Sample, options=ChildOptions(backoff=Backoff(first_s=3600)))
    b = await line.start(Sample, options=SOON)
    a.tell(Fail())
    await until(lambda: a.cell.state.value == b.cell.state.value == "resting")
    begun = system.clock.monotonic()
    await line.close()
    assert system.clock.monotonic() - begun < 3000


async def test_closing_in_the_middle_of_a_restart_ends_all(system):
    line, hold = await system.supervise("line", Strategy.REST_FOR_ONE), Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            await hold()

    a = await line.start(Sample, options=SOON)
    b = await line.start(Sample, options=SOON)
    c = await line.start(Slow, options=SOON)
    async with anyio.create_task_group() as group:
        a.tell(Fail())
        await happens(hold.begun)  # a waits for c to rest, and then for b
        group.start_soon(line.close)
        await turns()
        hold.over.set()
    assert [ref.is_alive for ref in (a, b, c)] == [False] * 3


async def test_cancelled_close_goes_on(system):
    hold = Hold()

    class Slow(Sample):
        async def on_stop(self, reason):
            await hold()

    nested = await system.supervise("nested")
    await nested.start(Slow)
    async with anyio.create_task_group() as group:
        group.start_soon(nested.close)
        await happens(hold.begun)
        group.cancel_scope.cancel()
    assert nested.exit is None
    hold.over.set()
    await nested.close()


async def test_repr_shows_name_and_number_of_children(system):
    await system.start(Sample)
    assert repr(system.root) == "<Supervisor actors of 1>"
