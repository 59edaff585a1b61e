"""Dead letters: counted, logged once per kind, offered to a hook."""

from __future__ import annotations

import logging
from typing import ClassVar

from procactors.actors import DeadLetter, DeadLetters, Message
from tests.unit.actors.samples import Heard, Note, Urgent


class Hint(Message, frozen=True):
    is_hint: ClassVar[bool] = True


def test_dead_letters_are_counted_by_kind_and_reason():
    letters = DeadLetters(Heard())
    for message in (Note(1), Note(2), Urgent()):
        letters.add("a", message, "gone")
    letters.add("b", Note(3), "late")
    assert letters.counts == {("Note", "gone"): 2, ("Urgent", "gone"): 1, ("Note", "late"): 1}
    assert letters.total == 4


def test_only_the_first_of_a_kind_is_logged(caplog):
    letters = DeadLetters(Heard())
    with caplog.at_level(logging.WARNING, "procactors.actors"):
        letters.add("a", Note(1), "gone")
        letters.add("b", Note(2), "gone")
        letters.add("a", Urgent(), "gone")
    assert [record.args for record in caplog.records] == [("Note", "a", "gone"), ("Urgent", "a", "gone")]


def test_a_hint_that_comes_too_late_is_counted_and_is_no_warning(caplog):
    letters = DeadLetters(Heard())
    with caplog.at_level(logging.DEBUG, "procactors.actors"):
        letters.add("a", Hint(), "gone")
    assert letters.total == 1
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_observer_and_hook_hear_of_each():
    heard, seen = Heard(), []
    letters = DeadLetters(heard)
    letters.on_dead_letter(seen.append)
    letters.add("a", Note(1), "gone")
    letters.on_dead_letter(None)
    letters.add("a", Note(2), "gone")
    assert seen == [DeadLetter("a", Note(1), "gone")]
    assert heard.events == [("dead letter", "a", "Note")] * 2
