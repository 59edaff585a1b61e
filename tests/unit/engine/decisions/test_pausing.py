"""What becomes of processes between two steps, as it is decided."""

from __future__ import annotations

import msgspec
import pytest

from procactors.engine.decisions import ending, pausing, stepping, taking
from procactors.errors import InvalidStateError
from procactors.model.event_body import encode_body
from procactors.model.interrupt import Question
from procactors.model.status import ProcessStatus as S
from tests.unit.engine.decisions.lives import DATA, NOW, ONE, TWO, at, begun, kinds, queued, record

MERGED = msgspec.Raw(b'{"n":1,"ok":true}')


def interrupted(plan, **question):
    asked = stepping.after_success(plan, begun(plan), DATA, Question(timeout=5, **question), at())
    return record(plan, asked.state, interrupt_body=encode_body(asked.events[-1]).decode())


def test_an_answer_lets_it_go_on_and_with_no_step_left_it_is_finished():
    assert kinds(pausing.proceeded(TWO, interrupted(TWO).state, MERGED, at())) == ["ProcessProceeded"]
    done = pausing.proceeded(ONE, interrupted(ONE).state, MERGED, at())
    assert kinds(done) == ["ProcessProceeded", "ProcessFinished"]
    assert done.events[-1].output == MERGED


def test_of_two_answers_the_second_is_refused():
    once = pausing.proceeded(TWO, interrupted(TWO).state, MERGED, at())
    with pytest.raises(InvalidStateError):
        pausing.proceeded(TWO, once.state, MERGED, at())


def test_a_question_is_open_until_its_time_is_over():
    decide = pausing.expire(lambda _data, _answer: MERGED)
    assert decide(interrupted(TWO), NOW + 4) is None
    assert decide(interrupted(TWO), NOW + 5).state.status is S.TIMED_OUT


def test_a_default_answer_is_merged_when_nobody_answers():
    decide = pausing.expire(lambda data, answer: msgspec.Raw(msgspec.json.encode({**data, **answer})))
    answered = decide(interrupted(TWO, on_timeout=b'{"ok":true}'), NOW + 5)
    assert answered.events[0].timed_out
    assert answered.events[0].data == MERGED


def test_a_step_that_nobody_can_run_blocks_and_says_why():
    waiting = taking.start(TWO, queued(TWO), None, None).state
    needs = TWO.steps["first"].needs
    blocked = pausing.strand({needs: "its module is missing"})(record(TWO, waiting), NOW)
    assert blocked.state.status is S.BLOCKED
    assert blocked.state.reason == "step 'first': its module is missing"


def test_a_cancel_is_for_what_has_not_ended_and_the_first_reason_counts():
    waiting = record(TWO, taking.start(TWO, queued(TWO), None, None).state)
    cancelled = ending.cancel("enough")(waiting, NOW)
    assert kinds(cancelled) == ["ProcessCancelRequested", "ProcessCancelled"]
    assert ending.cancel("again")(record(TWO, cancelled.state), NOW) is None
