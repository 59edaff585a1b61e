"""tell, ask, their errors, deadlines and cycles."""

from __future__ import annotations

import time
from typing import ClassVar

import anyio
import pytest

from procactors.actors import CONTROL, SIGNALS, Actor, ActorSystem, Lane, Overflow, Refusal, Request, Stopped
from procactors.errors import ActorStoppedError, AskCycleError, AskTimeoutError, MailboxFullError
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    Fail,
    Get,
    Hold,
    LoopClock,
    Newest,
    Note,
    Sample,
    Urgent,
    happens,
    in_real_time,
    turns,
    until,
)


class Small(Sample):
    lanes: ClassVar = (
        Lane("control", capacity=1, overflow=Overflow.FAIL),
        SIGNALS,
        Lane("work", capacity=2, overflow=Overflow.WAIT),
    )


class Signal(Request[str], frozen=True):
    lane: ClassVar[str] = "signals"


@pytest.fixture
async def held(system):
    """A small actor that is busy, and what keeps it so."""
    ref, hold = await system.start(Small), Hold()
    ref.tell(Do(hold))
    await happens(hold.begun)
    yield ref, hold
    hold.over.set()


async def ask_into(answers, ref, request, **options):
    try:
        answers.append(await ref.ask(request, **options))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        answers.append(error)


# tell


async def test_messages_of_a_lane_arrive_in_the_order_of_telling(system):
    ref = await system.start(Sample)
    for n in range(500):
        ref.tell(Note(n))
    assert [note.n for note in await ref.ask(Get())] == list(range(500))


async def test_tell_returns_before_the_message_is_handled(held):
    ref, _ = held
    ref.tell(Note(1))
    assert ref.cell.turns.mailbox.statistics()[2].depth == 1


async def test_tell_to_a_full_lane_is_refused_and_changes_nothing(held):
    ref, hold = held
    ref.tell(Note(1))
    ref.tell(Note(2))
    with pytest.raises(MailboxFullError, match="lane work is full"):
        ref.tell(Note(3))
    ref.tell(Urgent(1))
    with pytest.raises(MailboxFullError, match="lane control is full"):
        ref.tell(Urgent(2))
    hold.over.set()
    assert await ref.ask(Get()) == [Urgent(1), Note(1), Note(2)]


async def test_coalescing_lane_is_never_full(held):
    ref, hold = held
    for n in range(10_000):
        ref.tell(Newest("same", n))
    hold.over.set()
    assert await ref.ask(Get()) == [Newest("same", 9_999)]


async def test_message_told_to_the_dead_becomes_a_dead_letter(system):
    ref = await system.start(Sample)
    ref.stop()
    await ref.stopped()
    ref.tell(Note(1))
    assert system.dead_letters.counts == {("Note", "the actor has stopped"): 1}


# ask


async def test_reply_is_what_receive_returned(system):
    ref = await system.start(Sample)

    async def answer(actor):
        return {"any": "thing"}

    assert await ref.ask(Do(answer)) == {"any": "thing"}


async def test_ask_raises_what_the_actor_raised_and_the_actor_ends(system):
    ref = await system.start(Sample, options=ONCE)
    error = ValueError("as told")
    with pytest.raises(ValueError, match="as told") as raised:
        await ref.ask(Fail(error))
    assert raised.value is error
    await ref.stopped()


async def test_refusal_is_raised_and_the_actor_lives_on(system):
    ref = await system.start(Sample)

    async def refuse(actor):
        return Refusal(LookupError("not here"))

    with pytest.raises(LookupError, match="not here"):
        await ref.ask(Do(refuse))
    assert ref.is_alive
    assert ref.cell.restarts == 0


async def test_ask_that_gets_no_reply_in_time_raises(held):
    ref, _ = held
    with pytest.raises(AskTimeoutError, match=r"Small-1 did not answer Get within 0\.01 s"):
        await ref.ask(Get(), timeout=0.01)


async def test_timeout_of_an_ask_is_a_timeout_error(held):
    ref, _ = held
    with pytest.raises(TimeoutError):
        await ref.ask(Get(), timeout=0)


async def test_ask_without_a_timeout_waits(held):
    ref, hold = held
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask_into(answers, ref, Get(), timeout=None))
        await turns()
        assert answers == []
        assert len(ref.cell.system.timers) == 0
        hold.over.set()
    assert answers == [[]]


async def test_ask_to_the_dead_raises(system):
    ref = await system.start(Sample)
    ref.stop("enough")
    await ref.stopped()
    with pytest.raises(ActorStoppedError, match="has stopped: Stopped"):
        await ref.ask(Get())


async def test_ask_that_waits_in_the_mailbox_when_the_actor_stops_raises(held):
    ref, hold = held
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, ref, Get())
        await turns()
        ref.stop()
        hold.over.set()
    assert isinstance(answers[0], ActorStoppedError)
    assert "did not handle Get" in str(answers[0])


async def test_ask_in_hand_when_the_actor_is_cancelled_raises(system):
    ref, hold = await system.start(Sample, options=ONCE), Hold()
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, ref, Do(hold))
        await happens(hold.begun)
        ref.stop()
    assert isinstance(answers[0], ActorStoppedError)
    assert "before it replied" in str(answers[0])


async def test_ask_waits_for_room_and_a_tell_is_refused_meanwhile(held):
    ref, hold = held
    ref.tell(Note(1))
    ref.tell(Note(2))
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, ref, Get())
        await turns()
        with pytest.raises(MailboxFullError):
            ref.tell(Note(3))
        hold.over.set()
    assert answers == [[Note(1), Note(2)]]


async def test_ask_without_a_timeout_waits_for_room_too(held):
    ref, hold = held
    ref.tell(Note(1))
    ref.tell(Note(2))
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask_into(answers, ref, Get(), timeout=None))
        await turns()
        assert answers == []
        hold.over.set()
    assert answers == [[Note(1), Note(2)]]


async def test_ask_that_finds_no_room_in_time_raises_and_is_never_sent(held):
    ref, hold = held
    ref.tell(Note(1))
    ref.tell(Note(2))
    with pytest.raises(AskTimeoutError):
        await ref.ask(Do(lambda actor: pytest.fail("must not run")), timeout=0.01)
    hold.over.set()
    assert await ref.ask(Get()) == [Note(1), Note(2)]
    assert ref.cell.turns.expired == 0


async def test_ask_that_waits_for_room_hears_that_the_actor_stopped(held):
    ref, hold = held
    ref.tell(Note(1))
    ref.tell(Note(2))
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, ref, Get())
        await turns()
        ref.stop()
        hold.over.set()
    assert isinstance(answers[0], ActorStoppedError)


async def test_ask_into_a_full_lane_that_lets_nobody_wait_raises_at_once(held):
    class Now(Request[None], frozen=True):
        lane: ClassVar[str] = "control"

    ref, _ = held
    ref.tell(Urgent())
    with pytest.raises(MailboxFullError):
        await ref.ask(Now())


async def test_ask_that_is_replaced_by_a_newer_one_raises(held):
    ref, hold = held
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, ref, Signal())
        await turns()
        group.start_soon(ask_into, answers, ref, Signal())
        await until(lambda: answers)
        hold.over.set()
    assert isinstance(answers[0], MailboxFullError)
    assert answers[1] is None


async def test_message_for_a_lane_that_the_actor_does_not_have_is_refused(system):
    class Narrow(Sample):
        lanes: ClassVar = (Lane("work"),)

    ref = await system.start(Narrow)
    with pytest.raises(KeyError, match="only: work"):
        ref.tell(Urgent())
    with pytest.raises(KeyError, match="only: work"):
        await ref.ask(Signal())


# Deadlines


async def test_expired_ask_is_dropped_unrun_and_counted(held):
    ref, hold = held

    async def must_not_run(actor):
        pytest.fail("nobody waits for this any more")

    with pytest.raises(AskTimeoutError):
        await ref.ask(Do(must_not_run), timeout=0.001)
    hold.over.set()
    await ref.ask(Get())
    assert ref.cell.turns.expired == 1
    assert ref.cell.turns.handled == 2  # the first, which held it, and the last


async def test_cancelled_ask_is_dropped_unrun_and_counted(held):
    ref, hold = held
    async with anyio.create_task_group() as group:
        group.start_soon(ref.ask, Do(lambda actor: pytest.fail("must not run")))
        await turns()
        group.cancel_scope.cancel()
    hold.over.set()
    await ref.ask(Get())
    assert ref.cell.turns.expired == 1


@in_real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it blocks the loop's thread for a moment
async def test_ask_whose_time_passed_while_the_loop_was_blocked_is_dropped_when_its_turn_comes(held):
    """The timer has had no chance to fire: the deadline in the envelope is what counts."""
    ref, hold = held
    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(
            lambda: ask_into(answers, ref, Do(lambda actor: pytest.fail("must not run")), timeout=0.01)
        )
        await turns()
        hold.over.set()
        ended = time.monotonic() + 0.02
        while time.monotonic() < ended:
            pass
    assert isinstance(answers[0], AskTimeoutError)


async def test_deadline_is_made_once_by_the_outermost_asker(system):
    deadlines = []

    def asks_on(next_ref):
        async def action(actor):
            deadlines.append(actor.ref.cell.turns.asks_until)
            return await next_ref.ask(Do(look), timeout=3600) if next_ref else None

        return Do(action)

    async def look(actor):
        deadlines.append(actor.ref.cell.turns.asks_until)

    first, second = await system.start(Sample), await system.start(Sample)
    before = system.clock.monotonic()
    await first.ask(asks_on(second), timeout=7)
    assert deadlines[0] == deadlines[1]
    assert before + 7 <= deadlines[0] <= system.clock.monotonic() + 7


async def test_nested_ask_may_have_less_time_than_its_asker_but_never_more(system):
    target, middle, hold = await system.start(Sample), await system.start(Sample), Hold()
    target.tell(Do(hold))
    raised = []

    async def nested(actor):
        try:
            await target.ask(Get(), timeout=0.001)
        except AskTimeoutError as error:
            raised.append(str(error))
        return "lives on"

    assert await middle.ask(Do(nested)) == "lives on"
    assert "within 0.001 s" in raised[0]
    hold.over.set()


async def test_ask_made_after_the_askers_deadline_fails_at_once(system):
    target, middle, done = await system.start(Sample), await system.start(Sample), anyio.Event()

    async def late(actor):
        await anyio.sleep_until(actor.ref.cell.turns.asks_until + 0.01)
        with pytest.raises(AskTimeoutError, match="did not answer Do within 0 s"):
            await target.ask(Do(lambda actor: pytest.fail("must not run")), timeout=3600)
        done.set()

    with pytest.raises(AskTimeoutError):
        await middle.ask(Do(late), timeout=0.5)
    await happens(done)


async def test_nested_ask_without_a_deadline_has_none_whatever_its_asker_has(system):
    target, middle = await system.start(Sample), await system.start(Sample)

    async def look(actor):
        return actor.ref.cell.turns.asks_until

    async def nested(actor):
        return await target.ask(Do(look), timeout=None)

    assert await middle.ask(Do(nested), timeout=1) is None


async def test_told_message_has_no_deadline_to_inherit(system):
    target, middle, seen = await system.start(Sample), await system.start(Sample), []

    async def look(actor):
        return actor.ref.cell.turns.asks_until

    async def nested(actor):
        seen.append(await target.ask(Do(look), timeout=3600))

    middle.tell(Do(nested))
    await until(lambda: seen)
    assert seen[0] > system.clock.monotonic() + 3000


# Cycles


async def test_actor_may_ask_one_that_waits_for_a_third(system):
    third, second, first, hold = *[await system.start(Sample) for _ in range(3)], Hold()
    third.tell(Do(hold))

    async def ask_on(actor):
        return await third.ask(Get())

    async def ask_meanwhile(actor):
        return await second.ask(Get())

    answers = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask_into, answers, second, Do(ask_on))
        await until(lambda: second.cell.asks)
        group.start_soon(ask_into, answers, first, Do(ask_meanwhile))
        await until(lambda: first.cell.asks)
        hold.over.set()
    assert answers == [[], []]


async def test_actor_that_asks_itself_is_told_so_at_once(system):
    ref = await system.start(Sample, name="a")

    async def ask_self(actor):
        with pytest.raises(AskCycleError, match="a -> a: each would wait"):
            await actor.ref.ask(Get(), timeout=None)
        return "well"

    assert await ref.ask(Do(ask_self)) == "well"


async def test_cycle_is_refused_at_once_and_named(system):
    a, b, c = [await system.start(Sample, name=name) for name in "abc"]

    def asks(ref, then):
        async def action(actor):
            return await ref.ask(Do(then), timeout=None)

        return action

    async def close_the_ring(actor):
        with pytest.raises(AskCycleError) as refused:
            await a.ask(Get(), timeout=None)
        return str(refused.value)

    assert await a.ask(Do(asks(b, close_the_ring))) == "b -> a -> b: each would wait for the next for ever"
    through_three = await a.ask(Do(asks(b, asks(c, close_the_ring))))
    assert through_three == "c -> a -> b -> c: each would wait for the next for ever"


async def test_told_actor_that_asks_back_is_a_cycle_too(system):
    a, b, seen = await system.start(Sample), await system.start(Sample), []

    async def ask_back(actor):
        with pytest.raises(AskCycleError):
            await a.ask(Get(), timeout=None)

    async def ask(actor):
        seen.append(await b.ask(Do(ask_back)))

    a.tell(Do(ask))
    await until(lambda: seen)


async def test_actor_that_asks_several_at_once_waits_for_all_of_them(system):
    """A ring through the second is seen while the first has long answered."""
    a, fast, slow = [await system.start(Sample, name=name) for name in ("a", "fast", "slow")]
    hold, answers = Hold(), []

    async def ask_back(actor):
        await hold()
        with pytest.raises(AskCycleError):
            await a.ask(Get(), timeout=None)

    async def ask_both(actor):
        async with anyio.create_task_group() as group:
            group.start_soon(ask_into, answers, slow, Do(ask_back))
            group.start_soon(ask_into, answers, fast, Get())

    a.tell(Do(ask_both))
    await happens(hold.begun)
    await until(lambda: answers == [[]])
    hold.over.set()
    await until(lambda: answers == [[], None])
    await a.ask(Get())
    assert a.cell.asks == []


async def test_asking_again_after_a_reply_is_no_cycle(system):
    a, b = await system.start(Sample), await system.start(Sample)

    async def ask_b(actor):
        return await b.ask(Get())

    async def ask_a(actor):
        return await a.ask(Get())

    for _ in range(2):
        await a.ask(Do(ask_b))
        await b.ask(Do(ask_a))


async def test_child_task_asks_in_nobodys_name(system):
    """An actor does not wait for its child tasks, so they may ask it what they like."""
    ref, answers = await system.start(Sample), []

    async def child(own):
        await ask_into(answers, own, Get(), timeout=None)

    async def spawn(actor):
        actor.spawn(child, actor.ref, name="child")

    await ref.ask(Do(spawn))
    await until(lambda: answers)
    assert answers == [[]]


# The rest of its face


async def test_stopped_waits_for_the_end_and_tells_it(system):
    ref = await system.start(Sample)
    ends = []

    async def wait():
        ends.append(await ref.stopped())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
        await turns()
        assert ends == []
        assert ref.is_alive
        ref.stop("enough")
    assert ends == [Stopped("enough")] * 2
    assert await ref.stopped() == Stopped("enough")
    assert not ref.is_alive


async def test_reference_outlives_a_restart(system):
    ref = await system.start(Sample, options=SOON)
    ref.tell(Fail())
    ref.tell(Note(2))
    assert await ref.ask(Get()) == [Note(2)]
    assert ref.cell.restarts == 1


async def test_repr_shows_name_and_state(system):
    ref = await system.start(Sample, name="one")
    assert repr(ref) == "<ActorRef one running>"
    assert ref.name == "one"
    ref.stop()
    await ref.stopped()
    assert repr(ref) == "<ActorRef one stopped>"


async def test_hundred_askers_each_get_their_own_reply(system):
    class Echo(Actor):
        async def receive(self, message):
            return message.action

    ref, answers = await system.start(Echo), {}

    async def ask(n):
        answers[n] = await ref.ask(Do(n))

    async with anyio.create_task_group() as group:
        for n in range(100):
            group.start_soon(ask, n)
    assert answers == {n: n for n in range(100)}


async def test_stop_overtakes_100_000_messages():
    class Roomy(Sample):
        lanes: ClassVar = (CONTROL, SIGNALS, Lane("work", capacity=100_000))

    async with ActorSystem(clock=LoopClock()) as system:
        ref, hold = await system.start(Roomy), Hold()
        ref.tell(Do(hold))
        await happens(hold.begun)
        for n in range(100_000):
            ref.tell(Note(n))
        ref.stop()
        hold.over.set()
        assert await ref.stopped() == Stopped("")
        assert ref.cell.turns.handled == 1
        assert system.dead_letters.total == 100_000
