"""The mailbox: lanes in strict order, bounds, overflow, waking of consumer and senders."""

from __future__ import annotations

import gc
from collections import OrderedDict, deque

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from procactors.actors import Lane, LaneStatistics, Message, Overflow, StagedMailbox
from procactors.actors._envelope import Envelope, ReplySlot
from procactors.errors import MailboxFullError
from tests.unit.actors.samples import Newest, Note, Urgent, turns

THREE = (
    Lane("control", capacity=2, overflow=Overflow.FAIL),
    Lane("signals", overflow=Overflow.COALESCE),
    Lane("work", capacity=3, overflow=Overflow.WAIT),
)


def put(mailbox, *messages):
    for message in messages:
        mailbox.put(message, message)


def taken(mailbox):
    return [mailbox.take() for _ in range(len(mailbox))]


@pytest.mark.parametrize(
    "lanes",
    [(), (Lane("a"), Lane("a")), (Lane("a", capacity=0),)],
    ids=["no lane", "one name twice", "no room"],
)
def test_mailbox_refuses_lanes_that_make_no_sense(lanes):
    with pytest.raises(ValueError, match="needs lanes"):
        StagedMailbox(lanes)


def test_what_is_more_urgent_comes_first_and_then_what_came_first():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Newest("a"), Urgent(1), Note(2), Urgent(2))
    assert taken(mailbox) == [Urgent(1), Urgent(2), Newest("a"), Note(1), Note(2)]
    assert mailbox.take() is None


def test_put_and_take_name_the_lane():
    mailbox = StagedMailbox(THREE)
    assert [mailbox.put(m, m) for m in (Urgent(), Newest(), Note())] == [0, 1, 2]
    lanes = []
    while mailbox.take() is not None:
        lanes.append(mailbox.taken_lane)
    assert lanes == [0, 1, 2]


def test_whole_lane_is_taken_at_once():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Newest("a", 1), Note(2), Newest("b", 2))
    assert mailbox.take_lane() == [Newest("a", 1), Newest("b", 2)]
    assert mailbox.taken_lane == 1
    assert mailbox.take_lane() == [Note(1), Note(2)]
    assert mailbox.take_lane() == []


@pytest.mark.parametrize(("kind", "capacity"), [(Urgent, 2), (Note, 3)])
def test_full_lane_refuses_and_counts(kind, capacity):
    mailbox = StagedMailbox(THREE)
    put(mailbox, *(kind(n) for n in range(capacity)))
    assert not mailbox.has_room(kind())
    with pytest.raises(MailboxFullError, match=f"is full \\({capacity}\\): {kind.__name__}"):
        put(mailbox, kind(9))
    assert sum(lane.refused for lane in mailbox.statistics()) == 1
    assert len(mailbox) == capacity


def test_what_the_runtime_tells_finds_room_in_a_full_lane():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Urgent(1), Urgent(2))
    mailbox.put(Urgent(3), Urgent(3), always=True)
    assert taken(mailbox) == [Urgent(1), Urgent(2), Urgent(3)]


def test_newest_of_a_key_replaces_the_one_before_in_its_place():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Newest("a", 1), Newest("b", 2), Newest("a", 3))
    assert mailbox.has_room(Newest())
    assert taken(mailbox) == [Newest("a", 3), Newest("b", 2)]


def test_ask_that_is_replaced_gets_an_error():
    mailbox = StagedMailbox(THREE)
    slot = ReplySlot()
    mailbox.put(Envelope(Newest("a"), slot, None), Newest("a"))
    put(mailbox, Newest("a", 2))
    assert slot.is_answered
    assert taken(mailbox) == [Newest("a", 2)]


def test_coalescing_lane_is_emptied_in_linear_time():
    """Taking from the front of a plain dict is quadratic: this would then take a minute."""
    mailbox = StagedMailbox(THREE)
    put(mailbox, *(Newest(str(n), n) for n in range(100_000)))
    assert [message.n for message in taken(mailbox)] == list(range(100_000))


def test_message_of_an_unknown_lane_is_refused_with_the_lanes_that_there_are():
    class Lost(Message, frozen=True):
        lane = "nowhere"

    mailbox = StagedMailbox(THREE)
    with pytest.raises(KeyError, match=r"Lost travels in lane 'nowhere'.*only: control, signals, work"):
        mailbox.put(Lost(), Lost())
    with pytest.raises(KeyError):
        mailbox.check_lane(Lost)
    mailbox.check_lane(Note)


def test_mailbox_knows_whether_something_more_urgent_waits():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Newest())
    assert [mailbox.has_before(lane) for lane in range(3)] == [False, False, True]


def test_drain_takes_out_all_most_urgent_first():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Urgent(1), Newest("a"), Note(2))
    assert list(mailbox.drain()) == [Urgent(1), Newest("a"), Note(1), Note(2)]
    assert not mailbox


def test_stale_items_are_discarded_from_every_lane():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Note(2), Newest("a", 1), Newest("b", 2), Urgent(1), Note(1))
    mailbox.discard(lambda item: item.n == 1)
    assert mailbox.statistics()[2].peak == 3
    assert taken(mailbox) == [Newest("b", 2), Note(2)]


def test_statistics_tell_depth_peak_and_refusals():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Note(2), Note(3))
    with pytest.raises(MailboxFullError):
        put(mailbox, Note(4))
    mailbox.take()
    put(mailbox, Newest("a"), Newest("a"))
    assert mailbox.statistics() == (
        LaneStatistics("control", depth=0, peak=0, refused=0),
        LaneStatistics("signals", depth=1, peak=1, refused=0),
        LaneStatistics("work", depth=2, peak=3, refused=1),
    )


@pytest.mark.parametrize("how", ["take", "take_lane"])
def test_a_lane_that_was_emptied_holds_no_deque(how):
    mailbox = StagedMailbox(THREE)

    def deques():
        return [one for one in gc.get_referents(*mailbox._queues) if type(one) is deque]

    before = deques()
    put(mailbox, Note(1), Urgent(1))
    assert deques() != before
    while getattr(mailbox, how)():
        pass
    assert all(now is then for now, then in zip(deques(), before, strict=True))


def test_repr_shows_lanes_and_depths():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1))
    assert repr(mailbox) == "<StagedMailbox control: 0, signals: 0, work: 1>"


async def test_arrival_returns_at_once_when_something_waits():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note())
    await mailbox.arrival()


@pytest.mark.parametrize("stir", [lambda m: put(m, Note()), lambda m: m.wake()], ids=["put", "wake"])
async def test_arrival_waits_for_a_put_or_a_wake(stir):
    mailbox = StagedMailbox(THREE)
    seen = []

    async def consume():
        await mailbox.arrival()
        seen.append(len(mailbox))

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        await turns()
        assert seen == []
        stir(mailbox)
        stir(mailbox)
    assert len(seen) == 1


async def test_sender_waits_for_room_until_something_is_taken():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Note(2), Note(3))
    through = []

    async def send(n):
        await mailbox.room(Note())
        put(mailbox, Note(n))
        through.append(n)

    async with anyio.create_task_group() as group:
        group.start_soon(send, 4)
        group.start_soon(send, 5)
        await turns()
        assert through == []
        mailbox.take()
        await turns()
        assert len(through) == 1  # there was room for one of them
        assert mailbox.take_lane()[0] == Note(2)
    assert sorted(through) == [4, 5]


async def test_discard_makes_room_too():
    mailbox = StagedMailbox(THREE)
    put(mailbox, Note(1), Note(2), Note(3))
    async with anyio.create_task_group() as group:
        group.start_soon(mailbox.room, Note())
        await turns()
        mailbox.discard(lambda item: item.n == 1)


async def test_failing_lane_lets_nobody_wait_for_room():
    mailbox = StagedMailbox(THREE)
    await mailbox.room(Urgent())
    put(mailbox, Urgent(1), Urgent(2))
    with pytest.raises(MailboxFullError):
        await mailbox.room(Urgent())
    assert mailbox.statistics()[0].refused == 1


class MailboxAgainstModel(RuleBasedStateMachine):
    """The mailbox does what three plain containers would do."""

    @initialize()
    def begin(self):
        self.mailbox = StagedMailbox(THREE)
        self.control, self.signals, self.work = deque(), OrderedDict(), deque()
        self.peaks, self.refused = [0, 0, 0], [0, 0, 0]

    def lanes(self):
        return self.control, self.signals, self.work

    def bounded_put(self, message, lane, capacity, *, always):
        queue = self.lanes()[lane]
        if len(queue) < capacity or always:
            assert self.mailbox.put(message, message, always=always) == lane
            queue.append(message)
        else:
            with pytest.raises(MailboxFullError):
                self.mailbox.put(message, message)
            self.refused[lane] += 1

    @rule(n=st.integers(), always=st.booleans())
    def put_urgent(self, n, always):
        self.bounded_put(Urgent(n), 0, 2, always=always)

    @rule(n=st.integers(), always=st.booleans())
    def put_note(self, n, always):
        self.bounded_put(Note(n), 2, 3, always=always)

    @rule(key=st.sampled_from("abc"), n=st.integers())
    def put_newest(self, key, n):
        message = Newest(key, n)
        assert self.mailbox.put(message, message) == 1
        self.signals[key] = message

    @rule()
    def take(self):
        if self.control:
            expected = self.control.popleft()
        elif self.signals:
            expected = self.signals.popitem(last=False)[1]
        else:
            expected = self.work.popleft() if self.work else None
        assert self.mailbox.take() == expected

    @rule()
    def take_lane(self):
        queue = next((queue for queue in self.lanes() if queue), deque())
        expected = list(queue.values()) if queue is self.signals else list(queue)
        queue.clear()
        assert self.mailbox.take_lane() == expected

    @rule(odd=st.booleans())
    def discard(self, odd):
        self.mailbox.discard(lambda item: item.n % 2 == odd)
        self.control = deque(m for m in self.control if m.n % 2 != odd)
        self.signals = OrderedDict((k, m) for k, m in self.signals.items() if m.n % 2 != odd)
        self.work = deque(m for m in self.work if m.n % 2 != odd)

    @invariant()
    def looks_the_same(self):
        depths = [len(queue) for queue in self.lanes()]
        assert len(self.mailbox) == sum(depths)
        assert bool(self.mailbox) == any(depths)
        assert self.mailbox.has_room(Urgent()) == (depths[0] < 2)
        assert self.mailbox.has_before(2) == any(depths[:2])
        self.peaks = [max(peak, depth) for peak, depth in zip(self.peaks, depths, strict=True)]
        seen = self.mailbox.statistics()
        assert [lane.depth for lane in seen] == depths
        assert [lane.peak for lane in seen] == self.peaks
        assert [lane.refused for lane in seen] == self.refused


TestMailboxAgainstModel = MailboxAgainstModel.TestCase
TestMailboxAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_is_no_message_is_refused():
    with pytest.raises(TypeError, match="derived from Message, not str"):
        put(StagedMailbox(THREE), "hello")
