"""What holds for a mailbox of any lanes: put a new combination, or another mailbox, into CASES."""

from __future__ import annotations

from typing import ClassVar

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from procactors.actors import CONTROL, SIGNALS, WORK, Actor, Lane, Message, Overflow, StagedMailbox
from procactors.errors import MailboxFullError

CASES = {
    "one lane that waits": lambda: StagedMailbox((Lane("a", capacity=3),)),
    "one lane that fails": lambda: StagedMailbox((Lane("a", capacity=3, overflow=Overflow.FAIL),)),
    "one lane that coalesces": lambda: StagedMailbox((Lane("a", overflow=Overflow.COALESCE),)),
    "one place": lambda: StagedMailbox((Lane("a", capacity=1),)),
    "those of an actor": lambda: StagedMailbox(Actor.lanes),
    "those of an actor, upside down": lambda: StagedMailbox((WORK, SIGNALS, CONTROL)),
    "stages": lambda: StagedMailbox((SIGNALS, Lane("presend", capacity=2), Lane("postsend", capacity=2))),
}


class Numbered(Message, frozen=True):
    """A message that says its number, and coalesces with nothing."""

    n: int = 0

    def coalesce_key(self):
        return self.n


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture(params=list(CASES))
def mailbox(request):
    return CASES[request.param]()


@pytest.fixture
def kinds(mailbox):
    """A message class for each lane, the most urgent first."""
    lanes = [lane.name for lane in mailbox.statistics()]
    return [
        msgspec.defstruct(f"In{lane.title()}", [], bases=(Numbered,), namespace={"lane": lane}, frozen=True)
        for lane in lanes
    ]


def put(mailbox, message):
    mailbox.put(message, message)
    return message


def fill(mailbox, kind):
    """Put messages of one kind until there is no room, or a hundred are in."""
    messages = []
    while mailbox.has_room(kind()) and len(messages) < 100:
        messages.append(put(mailbox, kind(len(messages))))
    return messages


def all_of(mailbox):
    taken = []
    while (message := mailbox.take()) is not None:
        taken.append(message)
    return taken


def test_new_mailbox_is_empty(mailbox, kinds):
    assert not mailbox
    assert len(mailbox) == 0
    assert mailbox.take() is None
    assert mailbox.take_lane() == []
    assert list(mailbox.drain()) == []
    assert all(mailbox.has_room(kind()) for kind in kinds)
    assert not mailbox.has_before(len(kinds))


def test_what_was_put_is_taken_once_in_the_order_of_its_lane(mailbox, kinds):
    messages = [message for kind in reversed(kinds) for message in fill(mailbox, kind)]
    assert len(mailbox) == len(messages)
    in_order = sorted(messages, key=lambda message: (kinds.index(type(message)), message.n))
    assert all_of(mailbox) == in_order
    assert not mailbox


def test_take_and_take_lane_and_drain_agree(mailbox, kinds):
    def filled():
        return [message for kind in kinds for message in fill(mailbox, kind)]

    messages = filled()
    lanes = []
    while lane := mailbox.take_lane():
        lanes += lane
    assert lanes == messages
    assert list(mailbox.drain()) == [] != filled()
    assert all_of(mailbox) == messages
    filled()
    assert list(mailbox.drain()) == messages


def test_room_is_what_put_needs(mailbox, kinds):
    for kind in kinds:
        messages = fill(mailbox, kind)
        if not mailbox.has_room(kind()):
            with pytest.raises(MailboxFullError, match=kind.__name__):
                put(mailbox, kind(-1))
            assert len(mailbox) == len(messages)
        assert all_of(mailbox) == messages
        assert mailbox.has_room(kind())


def test_full_lane_has_no_say_in_another(mailbox, kinds):
    for kind in kinds:
        fill(mailbox, kind)
    assert list(mailbox.drain())
    for kind in kinds:
        assert fill(mailbox, kind)


def test_always_means_always(mailbox, kinds):
    for kind in kinds:
        before = fill(mailbox, kind)
        mailbox.put(kind(1000), kind(1000), always=True)
        assert mailbox.take_lane() == [*before, kind(1000)]


def test_statistics_agree_with_what_is_in_it(mailbox, kinds):
    for index, kind in enumerate(kinds):
        messages = fill(mailbox, kind)
        lane = mailbox.statistics()[index]
        assert (lane.depth, lane.peak) == (len(messages), len(messages))
    while mailbox.take() is not None:
        assert sum(lane.depth for lane in mailbox.statistics()) == len(mailbox)
    assert all(lane.depth == 0 < lane.peak for lane in mailbox.statistics())


def test_refusals_are_counted(mailbox, kinds):
    for index, kind in enumerate(kinds):
        fill(mailbox, kind)
        if not mailbox.has_room(kind()):
            for _ in range(3):
                with pytest.raises(MailboxFullError):
                    put(mailbox, kind())
            assert mailbox.statistics()[index].refused == 3


def test_taken_lane_is_that_of_the_message(mailbox, kinds):
    for kind in reversed(kinds):
        fill(mailbox, kind)
    while (message := mailbox.take()) is not None:
        assert kinds[mailbox.taken_lane] is type(message)
        assert not mailbox.has_before(mailbox.taken_lane)


def test_discard_takes_out_what_is_stale_and_nothing_else(mailbox, kinds):
    messages = [message for kind in kinds for message in fill(mailbox, kind)]
    mailbox.discard(lambda message: message.n % 2)
    assert all_of(mailbox) == [message for message in messages if message.n % 2 == 0]


def test_message_without_a_lane_here_is_refused(mailbox):
    class Stranger(Message, frozen=True):
        lane: ClassVar[str] = "elsewhere"

    for refuses in (
        lambda: put(mailbox, Stranger()),
        lambda: mailbox.has_room(Stranger()),
        lambda: mailbox.check_lane(Stranger),
    ):
        with pytest.raises(KeyError, match="elsewhere"):
            refuses()
    assert not mailbox


async def test_consumer_sleeps_until_something_comes(mailbox, kinds):
    taken = []

    async def consume():
        while len(taken) < len(kinds):
            await mailbox.arrival()
            taken.extend(all_of(mailbox))

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        for kind in kinds:
            await anyio.wait_all_tasks_blocked()
            put(mailbox, kind())
    assert taken == [kind() for kind in kinds]


async def test_sender_waits_for_room_as_long_as_there_is_none(mailbox, kinds):
    for kind in kinds:
        fill(mailbox, kind)
        try:
            with anyio.move_on_after(0.001) as scope:
                await mailbox.room(kind())
        except MailboxFullError:
            assert not mailbox.has_room(kind())
        else:
            assert scope.cancelled_caught is not mailbox.has_room(kind())
        mailbox.take_lane()
        await mailbox.room(kind())


async def test_no_message_is_lost_or_doubled_between_many_senders_and_one_consumer(mailbox, kinds):
    kind, taken = kinds[-1], []

    async def send(first):
        for n in range(first, first + 50):
            while not mailbox.has_room(kind()):
                await checkpoint()
            put(mailbox, kind(n))
            await checkpoint()

    async def consume():
        while len(taken) < 200:
            await mailbox.arrival()
            taken.append(mailbox.take())

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        for sender in range(4):
            group.start_soon(send, sender * 50)
    assert sorted(message.n for message in taken) == list(range(200))
    for sender in range(4):
        own = [message.n for message in taken if message.n // 50 == sender]
        assert own == sorted(own)


def test_repr_shows_each_lane(mailbox):
    for lane in mailbox.statistics():
        assert f"{lane.name}: 0" in repr(mailbox)
