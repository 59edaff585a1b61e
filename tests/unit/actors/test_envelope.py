"""The reply slot: one answer, one waiter, first answer wins."""

from __future__ import annotations

import anyio
import pytest

from procactors.actors import ReplySlot
from procactors.actors._envelope import Envelope, refuse
from tests.unit.actors.samples import Get, Note, turns


async def test_answer_that_is_there_already_is_returned_at_once():
    slot = ReplySlot()
    slot.send(1)
    assert slot.is_answered
    assert await slot.wait() == 1


async def test_error_that_is_there_already_is_raised():
    slot = ReplySlot()
    slot.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await slot.wait()


@pytest.mark.parametrize("later", ["send", "fail", "give_up"])
async def test_first_answer_wins(later):
    slot = ReplySlot()
    slot.send(1)
    getattr(slot, later)(ValueError("too late"))
    assert await slot.wait() == 1


async def test_waiter_gets_the_answer_when_it_comes():
    slot = ReplySlot()
    got = []

    async def wait():
        got.append(await slot.wait())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await turns()
        assert got == []
        slot.send("answer")
    assert got == ["answer"]


async def test_cancelled_waiter_gives_the_reply_up():
    slot = ReplySlot()
    async with anyio.create_task_group() as group:
        group.start_soon(slot.wait)
        await turns()
        assert not slot.is_given_up
        group.cancel_scope.cancel()
    assert slot.is_given_up
    assert not slot.is_answered


def test_giving_up_is_an_answer_in_the_askers_own_name():
    slot = ReplySlot()
    slot.give_up(TimeoutError())
    assert slot.is_given_up
    assert slot.is_answered


def test_only_an_ask_can_be_refused():
    envelope = Envelope(Get(), ReplySlot(), None)
    assert refuse(envelope, ValueError())
    assert envelope.slot.is_answered
    assert not refuse(Note(), ValueError())
