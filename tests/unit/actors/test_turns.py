"""Turns: batches and checkpoints, replies, urgent messages, timers."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest

from procactors.actors import (
    CONTROL,
    SIGNALS,
    Actor,
    Failed,
    Lane,
    Message,
    Normal,
    Refusal,
    Request,
    Stopped,
    TaskEnded,
    Terminated,
)
from procactors.errors import ActorStoppedError, AskTimeoutError
from tests.unit.actors.samples import (
    ONCE,
    SOON,
    Do,
    DoNow,
    Fail,
    Get,
    Hold,
    Newest,
    Note,
    Sample,
    Urgent,
    happens,
    turns,
    until,
)


class Batcher(Actor[Message]):
    """Gets its messages in batches, and answers with their place in the batch."""

    lanes: ClassVar = (CONTROL, SIGNALS, Lane("work", capacity=1000))

    def __init__(self):
        self.batches: list = []
        self.urgent: list = []
        self.work = None

    async def receive_many(self, messages):
        self.batches.append(messages)
        if self.work is not None:
            return await self.work(self)
        return [number for number, _ in enumerate(messages)]

    def on_urgent(self, message):
        self.urgent.append(message)


@pytest.fixture
async def batcher(system):
    """A batching actor, and the instance of it."""
    instances = []

    def make():
        instances.append(Batcher())
        return instances[-1]

    ref = await system.start(make, options=ONCE)
    return ref, instances[0]


class Busy:
    """Keeps a batching actor at its first batch, so that what comes then waits for the second."""

    def __init__(self, ref, actor):
        self.ref = ref
        self.actor = actor
        self.hold = Hold()

    async def __call__(self, actor):
        await self.hold()

    async def begin(self):
        self.actor.work = self
        self.ref.tell(Note(-1))
        await happens(self.hold.begun)

    def then(self, work=None):
        """Go on, with the second batch at work."""
        self.actor.work = work
        self.hold.over.set()


@pytest.fixture
async def busy(batcher):
    """A batching actor that is busy."""
    busy = Busy(*batcher)
    await busy.begin()
    yield busy
    busy.hold.over.set()


async def answers_to(ref, *requests, **options):
    """Ask all at once, and return replies and errors in the order of the requests."""
    answers = {}

    async def ask(number, request):
        try:
            answers[number] = await ref.ask(request, **options)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers[number] = error

    async with anyio.create_task_group() as group:
        for number, request in enumerate(requests):
            group.start_soon(ask, number, request)
    return [answers[number] for number in range(len(requests))]


# One at a time


async def test_one_message_at_a_time(system):
    ref, busy, most = await system.start(Sample), [0], []

    async def work(actor):
        busy[0] += 1
        most.append(busy[0])
        await turns(3)
        busy[0] -= 1

    for _ in range(10):
        ref.tell(Do(work))
    await ref.ask(Get())
    assert most == [1] * 10


async def test_other_tasks_get_their_turn_while_an_actor_works_off_a_long_mailbox(system):
    seen = []

    class Busy(Actor):
        lanes: ClassVar = (CONTROL, SIGNALS, Lane("work", capacity=2000))

        async def receive(self, message):
            seen.append(message.n)

    ref, others = await system.start(Busy), []
    for n in range(1280):
        ref.tell(Note(n))
    while len(seen) < 1280:
        others.append(len(seen))
        await turns(1)
    assert len(others) > 5
    assert seen == list(range(1280))


async def test_timer_fires_while_an_actor_keeps_telling_itself(system):
    """An endless conversation with itself, without a single await that waits, starves nobody."""

    class Talker(Actor):
        async def receive(self, message):
            self.ref.tell(message)

    class BatchTalker(Actor):
        async def receive_many(self, messages):
            self.ref.tell(messages[0])

    for kind in (Talker, BatchTalker):
        ref = await system.start(kind)
        ref.tell(Note())
        due = anyio.Event()
        system.timers.at(system.clock.monotonic(), due.set)
        await until(due.is_set)
        ref.stop()
        await ref.stopped()


# Batches


async def second_batch(busy, work, *requests, **options):
    """Ask all while the actor is busy, and return what they got when it is at work again."""
    answers = []

    async def ask():
        answers.extend(await answers_to(busy.ref, *requests, **options))

    async with anyio.create_task_group() as group:
        waiting = len(busy.ref.cell.turns.mailbox)
        group.start_soon(ask)
        await until(lambda: len(busy.ref.cell.turns.mailbox) == waiting + len(requests))
        busy.then(work)
    return answers


async def test_batch_is_what_waits_in_one_lane(busy):
    for n in range(200):
        busy.ref.tell(Note(n))
    busy.ref.tell(Newest("a"))
    busy.ref.tell(Urgent())
    busy.then()
    await until(lambda: len(busy.actor.batches) == 4)
    assert busy.actor.batches[1:] == [[Urgent()], [Newest("a")], [Note(n) for n in range(200)]]


async def test_replies_of_a_batch_go_to_its_askers_in_order(busy):
    async def double(actor):
        return [message.action * 2 for message in actor.batches[-1]]

    assert await second_batch(busy, double, Do(1), Do(2), Do(3)) == [2, 4, 6]
    assert len(busy.actor.batches) == 2


async def test_batch_may_answer_one_of_its_askers_with_an_error(busy):
    error = LookupError("not here")

    async def work(actor):
        return [Refusal(error) if message.action else "well" for message in actor.batches[-1]]

    assert await second_batch(busy, work, Do(True), Do(False)) == [error, "well"]


async def test_batch_that_returns_nothing_answers_with_none(busy):
    async def work(actor):
        return None

    assert await second_batch(busy, work, Get(), Get()) == [None, None]


async def test_every_asker_of_a_batch_gets_its_error_and_what_was_told_dies(busy, system):
    error = ValueError("no")

    async def work(actor):
        raise error

    busy.ref.tell(Note())
    assert await second_batch(busy, work, Get(), Get()) == [error, error]
    assert system.dead_letters.counts == {("Note", "the actor ended while handling it"): 1}
    end = await busy.ref.stopped()
    assert end.error is error


async def test_batch_with_the_wrong_number_of_replies_is_a_failure(busy):
    async def work(actor):
        return []

    answers = await second_batch(busy, work, Get(), Get())
    assert [type(answer) for answer in answers] == [ValueError] * 2


async def test_replies_of_a_batch_can_be_taken_and_given_later(busy):
    async def take(actor):
        actor.taken = actor.take_replies()
        for slot in actor.taken[1:]:
            slot.send("later")
        return ["ignored"]

    busy.ref.tell(Note())
    assert await second_batch(busy, take, Get(), Get()) == ["later", "later"]
    assert busy.actor.taken[0] is None


async def test_expired_ask_is_not_in_the_batch(busy):
    with pytest.raises(AskTimeoutError):
        await busy.ref.ask(Get(), timeout=0.001)
    assert await second_batch(busy, None, Do("later")) == [0]
    assert busy.actor.batches[1:] == [[Do("later")]]
    assert busy.ref.cell.turns.expired == 1


async def test_batch_of_nothing_but_expired_asks_is_none(busy):
    with pytest.raises(AskTimeoutError):
        await busy.ref.ask(Get(), timeout=0.001)
    busy.then()
    await until(lambda: busy.ref.cell.turns.expired)
    busy.ref.stop()
    assert await busy.ref.stopped() == Stopped("")
    assert len(busy.actor.batches) == 1


async def test_batching_actor_hears_of_urgent_messages_too(busy):
    assert not busy.actor.has_urgent()
    busy.ref.tell(Urgent(1))
    assert busy.actor.urgent == [Urgent(1)]
    assert busy.actor.has_urgent()


async def test_batching_actor_that_is_stopped_during_a_batch_ends_after_it(busy):
    busy.ref.stop("enough")
    busy.then()
    assert await busy.ref.stopped() == Stopped("enough")


async def test_batching_actor_can_stop_itself(batcher):
    ref, actor = batcher

    async def work(actor):
        actor.stop()

    actor.work = work
    ref.tell(Note())
    assert await ref.stopped() == Normal()


@pytest.mark.parametrize(
    ("told", "timeouts", "inherited"),
    [(False, (50, 90), 90), (False, (50, None), None), (True, (50, 90), None)],
    ids=["the last of its askers", "one waits for ever", "something told"],
)
async def test_nested_asks_of_a_batch_have_the_time_of(system, busy, told, timeouts, inherited):
    target, seen = await system.start(Sample), []

    async def look(actor):
        return actor.ref.cell.turns.asks_until

    async def work(actor):
        seen.append(await target.ask(Do(look), timeout=1000))

    now = system.clock.monotonic()
    if told:
        busy.ref.tell(Note())
    async with anyio.create_task_group() as group:
        for timeout in timeouts:
            group.start_soon(lambda timeout=timeout: busy.ref.ask(Get(), timeout=timeout))
        await until(lambda: len(busy.ref.cell.turns.mailbox) == len(timeouts) + told)
        busy.then(work)
    assert seen[0] == pytest.approx(now + (inherited or 1000), abs=5)


# Replies that are taken


async def test_taken_reply_is_given_later_and_what_receive_returns_is_ignored(system):
    ref, slots = await system.start(Sample), []

    async def take(actor):
        slots.append(actor.take_reply())
        assert actor.take_reply() is None
        return "ignored"

    answers = []

    async def ask():
        answers.append(await ref.ask(Do(take)))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await until(lambda: slots)
        assert await ref.ask(Get()) == []  # the actor is free meanwhile
        assert answers == []
        slots[0].send("later")
    assert answers == ["later"]


async def test_told_message_has_no_reply_to_take(system):
    ref, taken = await system.start(Sample), []

    async def take(actor):
        taken.extend([actor.take_reply(), actor.take_replies()])

    ref.tell(Do(take))
    await ref.ask(Get())
    assert taken == [None, []]


async def take_and_keep(actor):
    actor.kept = actor.take_reply()


async def take_to_hand_on(actor):
    actor.kept = actor.take_reply(hand_on=True)


async def test_taken_reply_that_was_not_given_gets_the_error_of_the_actor(system):
    ref = await system.start(Sample, options=ONCE)
    answers = []
    async with anyio.create_task_group() as group:

        async def ask():
            answers.extend(await answers_to(ref, Do(take_and_keep), timeout=None))

        group.start_soon(ask)
        await until(lambda: ref.cell.turns.handled)
        ref.tell(Fail(ValueError("died")))
    assert [str(answer) for answer in answers] == ["died"]


@pytest.mark.parametrize("end", ["stop", "restart"])
async def test_taken_reply_does_not_outlive_the_life_that_took_it(system, end):
    ref = await system.start(Sample, options=SOON)
    answers = []
    async with anyio.create_task_group() as group:

        async def ask():
            answers.extend(await answers_to(ref, Do(take_and_keep), timeout=None))

        group.start_soon(ask)
        await until(lambda: ref.cell.turns.handled)
        if end == "stop":
            ref.stop("enough")
        else:
            ref.tell(Fail())
    assert isinstance(answers[0], ActorStoppedError if end == "stop" else ValueError)


async def test_taken_reply_can_be_given_in_on_stop(system):
    class Tidy(Sample):
        async def on_stop(self, reason):
            self.kept.send("at last")

    ref = await system.start(Tidy)
    answers = []
    async with anyio.create_task_group() as group:

        async def ask():
            answers.extend(await answers_to(ref, Do(take_and_keep)))

        group.start_soon(ask)
        await until(lambda: ref.cell.turns.handled)
        ref.stop()
    assert answers == ["at last"]


async def test_reply_that_is_handed_on_outlives_the_actor_that_took_it(system):
    instances, answers = [], []
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    async with anyio.create_task_group() as group:

        async def ask():
            answers.extend(await answers_to(ref, Do(take_to_hand_on)))

        group.start_soon(ask)
        await until(lambda: ref.cell.turns.handled)
        ref.stop()
        await ref.stopped()
        await turns()
        assert answers == []
        instances[0].kept.send("by another")
    assert answers == ["by another"]


async def test_batch_hands_its_replies_on(batcher):
    ref, actor = batcher

    async def take(actor):
        actor.taken = actor.take_replies(hand_on=True)

    actor.work = take
    answers = []
    async with anyio.create_task_group() as group:

        async def ask():
            answers.extend(await answers_to(ref, Get()))

        group.start_soon(ask)
        await until(lambda: hasattr(actor, "taken"))
        ref.stop()
        await ref.stopped()
        actor.taken[0].send("by another")
    assert answers == ["by another"]


# Urgent messages


async def test_actor_hears_at_once_of_a_message_more_urgent_than_that_in_hand(system):
    instances, hold = [], Hold()
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    ref.tell(Do(hold))
    await happens(hold.begun)
    actor = instances[0]
    ref.tell(Note(1))
    assert not actor.has_urgent()
    ref.tell(Newest("a"))
    ref.tell(Urgent(2))
    assert actor.urgent == [Newest("a"), Urgent(2)]
    assert actor.has_urgent()
    hold.over.set()
    assert await ref.ask(Get()) == [Urgent(2), Newest("a"), Note(1)]


async def test_idle_actor_does_not_hear_of_urgent_messages(system):
    instances = []
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    await ref.ask(Get())
    ref.tell(Urgent())
    assert instances[0].urgent == []


async def test_urgent_message_can_cut_long_work_short(system):
    class Worker(Sample):
        def on_urgent(self, message):
            self.scope.cancel()

    cut, begun = [], anyio.Event()

    async def work(actor):
        with anyio.CancelScope() as actor.scope:
            begun.set()
            await anyio.sleep_forever()
        cut.append(actor.scope.cancelled_caught)

    ref = await system.start(Worker)
    ref.tell(Do(work))
    await happens(begun)
    ref.tell(Urgent(1))
    assert await ref.ask(Get()) == [Urgent(1)]
    assert cut == [True]


async def test_actor_hears_that_a_stop_was_asked_for(system):
    class Worker(Sample):
        def on_stop_requested(self):
            self.hold.over.set()

    begun = anyio.Event()

    async def work(actor):
        actor.hold = Hold()
        assert not actor.has_urgent()
        begun.set()
        await actor.hold()
        assert actor.has_urgent()
        return "done"

    ref = await system.start(Worker)
    async with anyio.create_task_group() as group:
        group.start_soon(ref.ask, Do(work))
        await happens(begun)
        ref.stop("enough")
    assert await ref.stopped() == Stopped("enough")


class Clumsy(Sample):
    def on_urgent(self, message):
        raise LookupError("clumsy")


async def test_error_in_on_urgent_is_the_actors_failure_and_not_the_tellers(system):
    ref, hold = await system.start(Clumsy, options=ONCE), Hold()
    async with anyio.create_task_group() as group:
        group.start_soon(ref.ask, Do(hold))
        await happens(hold.begun)
        ref.tell(Urgent())
        hold.over.set()  # the work in hand is finished and answered before
    end = await ref.stopped()
    assert isinstance(end, Failed)
    assert str(end.cause) == "clumsy"


async def test_actor_that_fails_in_on_urgent_is_restarted_and_gets_the_message(system):
    ref, hold = await system.start(Clumsy, options=SOON), Hold()
    ref.tell(Do(hold))
    await happens(hold.begun)
    ref.tell(Urgent(1))
    hold.over.set()
    assert await ref.ask(Get()) == [Urgent(1)]
    assert ref.cell.restarts == 1


async def test_timer_that_meets_a_clumsy_actor_harms_nobody_else(system):
    ref, hold, other = await system.start(Clumsy, options=ONCE), Hold(), await system.start(Sample)

    async def work(actor):
        actor.set_timer("k", 0, Urgent())
        await hold()

    ref.tell(Do(work))
    await happens(hold.begun)
    await until(lambda: len(ref.cell.turns.mailbox))
    hold.over.set()
    assert isinstance(await ref.stopped(), Failed)
    assert await other.ask(Get(), timeout=1) == []


# Timers


class Tick(Message, frozen=True):
    n: int = 0


async def told_after(system, *steps, kind=Sample):
    """Let an actor take steps, each in a turn of its own, and return what it was told in the end."""
    ref, ended = await system.start(kind), anyio.Event()
    for step in steps:
        await ref.ask(Do(step))

    async def end(actor):
        actor.set_timer("the end", 0.02, DoNow(finish))

    async def finish(actor):
        ended.set()

    await ref.ask(Do(end))
    await happens(ended)
    return await ref.ask(Get())


async def test_timer_tells_the_actor_its_message(system):
    async def set_it(actor):
        actor.set_timer("k", 0.001, Tick(1))

    assert await told_after(system, set_it) == [Tick(1)]


async def test_timer_that_is_set_again_is_seen_once_with_the_new_message(system):
    async def twice(actor):
        actor.set_timer("k", 0.001, Tick(1))
        actor.set_timer("k", 0.001, Tick(2))

    assert await told_after(system, twice) == [Tick(2)]


async def test_cancelled_timer_is_not_seen(system):
    async def set_and_cancel(actor):
        actor.set_timer("k", 0.001, Tick(1))
        actor.cancel_timer("k")
        actor.cancel_timer("k")
        actor.cancel_timer("never set")

    assert await told_after(system, set_and_cancel) == []


async def test_timer_that_fired_before_it_was_cancelled_is_not_seen(system):
    async def fire_and_cancel(actor):
        actor.set_timer("k", 0, Tick(1))
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        actor.cancel_timer("k")

    assert await told_after(system, fire_and_cancel) == []


async def test_timer_that_fired_before_it_was_set_again_is_not_seen_but_the_new_one_is(system):
    async def fire_and_set_again(actor):
        actor.set_timer("k", 0, Tick(1))
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        actor.set_timer("k", 0.001, Tick(2))

    assert await told_after(system, fire_and_set_again) == [Tick(2)]


async def test_new_timer_can_still_be_cancelled_after_a_stale_one_was_dropped(system):
    async def fire_set_again_and_cancel(actor):
        actor.set_timer("k", 0, Tick(1))
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        actor.set_timer("k", 0.002, Tick(2))
        actor.cancel_timer("k")

    assert await told_after(system, fire_set_again_and_cancel) == []


async def test_timers_of_different_keys_do_not_touch_each_other(system):
    async def set_two(actor):
        actor.set_timer("a", 0.001, Tick(1))
        actor.set_timer("b", 0.002, Tick(2))

    assert await told_after(system, set_two) == [Tick(1), Tick(2)]


async def test_timer_finds_room_in_a_full_lane(system):
    class Small(Sample):
        lanes: ClassVar = (CONTROL, SIGNALS, Lane("work", capacity=1))

    async def fill(actor):
        actor.ref.tell(Note())
        actor.set_timer("k", 0, Tick(1))
        await until(lambda: len(actor.ref.cell.turns.mailbox) == 2)

    assert await told_after(system, fill, kind=Small) == [Note(), Tick(1)]


async def test_timer_for_a_lane_that_does_not_exist_is_refused_when_it_is_set(system):
    class Narrow(Sample):
        lanes: ClassVar = (Lane("work"),)

    async def set_it(actor):
        with pytest.raises(KeyError, match="only: work"):
            actor.set_timer("k", 0, Urgent())

    ref = await system.start(Narrow)
    await ref.ask(Do(set_it))
    assert await ref.ask(Get()) == []


async def test_timer_works_in_a_batching_actor(batcher, system):
    ref, actor = batcher

    async def set_it(actor):
        actor.work = None
        actor.set_timer("k", 0.001, Tick(1))

    actor.work = set_it
    ref.tell(Note())
    seen = anyio.Event()
    system.timers.after(0.01, seen.set)
    await happens(seen)
    await until(lambda: len(actor.batches) == 2)
    assert actor.batches[1] == [Tick(1)]


async def test_timer_of_an_earlier_life_is_not_seen_by_the_next(system):
    ref, ended = await system.start(Sample, options=SOON), anyio.Event()

    async def set_and_die(actor):
        actor.set_timer("waits", 0.001, Tick(1))
        actor.set_timer("fired", 0, Tick(2))
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        raise ValueError("dies")

    ref.tell(Do(set_and_die))
    await until(lambda: ref.cell.restarts)
    system.timers.after(0.01, ended.set)
    await happens(ended)
    assert await ref.ask(Get()) == []


async def test_ended_actor_sets_no_timer(system):
    instances = []
    ref = await system.start(lambda: instances.append(Sample()) or instances[0])
    ref.stop()
    await ref.stopped()
    instances[0].set_timer("k", 0, Tick())
    assert len(system.timers) == 0


# What is left of a life


async def test_next_life_does_not_hear_of_tasks_of_the_one_before(system):
    async def quick():
        pass

    async def spawn_and_die(actor):
        actor.spawn(quick, name="quick")
        await until(lambda: len(actor.ref.cell.turns.mailbox))
        actor.spawn(anyio.sleep_forever, name="long")
        raise ValueError("dies")

    ref = await system.start(Sample, options=SOON)
    ref.tell(Do(spawn_and_die))
    await until(lambda: ref.cell.restarts)
    assert await ref.ask(Get()) == []


async def test_next_life_goes_on_hearing_of_those_that_the_one_before_watched(system):
    other, ref = await system.start(Sample, name="other"), await system.start(Sample, options=SOON)

    async def watch(actor):
        actor.watch(other)

    await ref.ask(Do(watch))
    ref.tell(Fail())
    await until(lambda: ref.cell.restarts)
    other.stop()
    await other.stopped()
    assert await ref.ask(Get()) == [Terminated("other", Stopped())]


async def test_end_of_a_task_comes_as_a_message(system):
    ref = await system.start(Sample)

    async def work(number):
        return number * 2

    async def spawn(actor):
        actor.spawn(work, 21, name="work")

    await ref.ask(Do(spawn))
    await until(lambda: ref.cell.turns.handled == 2)
    assert await ref.ask(Get()) == [TaskEnded("work", 1, Normal(42))]


async def test_ask_of_any_class_is_answered(system):
    class Untyped(Request, frozen=True):
        pass

    ref = await system.start(Sample)
    assert await ref.ask(Untyped()) is None
