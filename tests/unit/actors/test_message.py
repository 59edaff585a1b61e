"""Messages."""

from __future__ import annotations

import pytest

from procactors.actors import Message, Refusal, Request
from tests.unit.actors.samples import Newest, Note, Urgent


def test_message_travels_in_the_work_lane_unless_its_class_says_otherwise():
    assert (Note.lane, Urgent.lane, Newest.lane, Request.lane) == ("work", "control", "signals", "work")


def test_message_cannot_be_changed():
    with pytest.raises(AttributeError):
        Note(1).n = 2


def test_messages_coalesce_by_class_unless_they_say_otherwise():
    assert Note(1).coalesce_key() == Note(2).coalesce_key() == Note
    assert Newest("a", 1).coalesce_key() != Newest("b", 1).coalesce_key()


def test_request_is_a_message_whose_class_says_the_type_of_the_reply():
    class GetTotal(Request[int], frozen=True):
        of: str

    assert GetTotal("a") == GetTotal(of="a")
    assert isinstance(GetTotal("a"), Message)


def test_refusal_carries_its_error():
    error = ValueError()
    assert Refusal(error).error is error
