"""Events as sentences."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procactors.cli.sentence import Teller, sentence
from procactors.errors import ErrorInfo
from procactors.model import event as e
from tests.unit.cli.samples import NOW, PLAIN

ERROR = ErrorInfo("OSError", "disk full")
REQUIRED = {
    "step": "parse",
    "error": ERROR,
    "due_at": NOW,
    "name": "x",
    "definition": PLAIN.to_spec(),
    "data_seq": 1,
    "origin": "shop.py",
    "seconds": 60,
    "end": "failed",
}


def made(kind, **fields):
    known = set(kind.__struct_fields__)
    values = {name: value for name, value in REQUIRED.items() if name in known}
    return kind(**{"at": NOW, **values, **fields})


@pytest.mark.parametrize("kind", e.EVENT_CLASSES)
def test_every_event_has_a_sentence(kind):
    assert sentence(made(kind)).strip()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (made(e.StepStarted), "parse started"),
        (made(e.StepStarted, attempt=2), "parse started, attempt 2"),
        (made(e.StepProgressed, done=1, total=4, text="pages"), "parse 25%, 1 of 4 pages"),
        (made(e.StepProgressed, done=7, text="pages"), "parse 7 pages"),
        (made(e.StepFailed, attempt=3), "parse failed (attempt 3): OSError: disk full"),
        (made(e.ProcessProceeded, timed_out=True), "nobody answered in time: goes on"),
        (made(e.ProcessTimedOut, error=None), "timed out"),
        (made(e.ProcessCancelled, reason="not now"), "cancelled: not now"),
    ],
)
def test_sentence_says_what_matters(event, text):
    assert sentence(event) == text


def test_braces_in_names_are_only_text():
    assert sentence(made(e.StepFinished, step="{0.pid}{")) == "{0.pid}{ finished"


def test_progress_is_told_only_now_and_then():
    teller = Teller()
    assert teller.tell(made(e.StepStarted)).endswith("  parse started")
    seconds = [1, 4, 6, 7, 12]
    told = [
        second
        for second in seconds
        if teller.tell(made(e.StepProgressed, done=1, text="pages", at=NOW + timedelta(seconds=second)))
    ]
    assert told == [6, 12]


def test_what_says_nothing_new_is_not_told():
    assert [Teller().tell(made(kind)) for kind in (e.ProcessStarted, e.ProcessResumed)] == [None, None]


def test_sentence_can_not_write_to_the_terminal():
    line = Teller().tell(made(e.StepFinished, step="\x1b]0;title\x07"))
    assert "\x1b" not in line
