"""Who runs a process, as it is decided: without a loop, a store or a clock."""

from __future__ import annotations

import pytest

from procactors.engine.decisions import ending, stepping, taking
from procactors.model.definition import Process
from procactors.model.sleep import Sleep
from procactors.model.status import ProcessStatus as S
from tests.unit.engine.decisions.lives import (
    DATA,
    FAILURE,
    NOW,
    ONCE,
    ONE,
    RETRIED,
    TWO,
    UNDONE,
    at,
    begun,
    kinds,
    queued,
    record,
)


def test_with_an_owner_a_process_begins_its_first_step_in_the_same_decision():
    decision = taking.start(TWO, queued(TWO), "here", None)
    assert kinds(decision) == ["ProcessQueued", "ProcessStarted", "StepStarted"]
    assert decision.state.in_step


def test_without_an_owner_it_is_queued_and_with_a_delay_asleep():
    assert taking.start(TWO, queued(TWO), None, None).state.status is S.QUEUED
    delayed = taking.start(TWO, queued(TWO), None, 1e300).state
    assert delayed.status is S.SLEEPING
    assert delayed.due_at > NOW, "and within the calendar"


def test_a_pause_at_the_beginning_is_begun_and_slept_in_and_over_when_it_is_taken_up():
    plan = Process("p", [Sleep(60)])
    asleep = taking.start(plan, queued(plan), "here", None)
    assert kinds(asleep)[-2:] == ["StepStarted", "ProcessSleeping"]
    up = taking.take_up(record(plan, asleep.state), NOW + 60, "there")
    assert kinds(up) == ["ProcessResumed", "StepFinished", "ProcessFinished"]
    assert up.events[-1].output == DATA


def test_a_process_that_is_taken_up_runs_unless_a_cancel_waits_for_it_or_its_time_is_over():
    waiting = record(TWO, taking.released(TWO, begun(TWO), at()).state)
    assert taking.take_up(waiting, NOW, "here").state.status is S.RUNNING
    cancelled = record(TWO, waiting.state, cancel_reason="enough")
    assert taking.take_up(cancelled, NOW, "here").state.status is S.CANCELLED
    again = record(RETRIED, stepping.after_failure(RETRIED, begun(RETRIED), FAILURE, at(), 0.0).state)
    assert taking.take_up(again, NOW + 61, "here").state.status is S.TIMED_OUT


def test_what_nobody_may_begin_is_released_in_its_place():
    decision = taking.take_up(record(TWO, taking.start(TWO, queued(TWO), None, None).state), NOW, "here")
    held = taking.held_back(TWO, taking.start(TWO, queued(TWO), None, None).state, decision, at())
    assert kinds(held) == ["ProcessStarted", "ProcessReleased"]
    assert held.state.next_attempt == 1, "it costs no attempt"


def test_a_process_whose_manager_is_gone_is_queued_and_loses_an_attempt():
    recovered = taking.recover("it is gone", 5)(record(TWO, begun(TWO)), NOW)
    assert recovered.state.status is S.QUEUED
    assert (recovered.state.next_attempt, recovered.state.crashes) == (2, 1)


@pytest.mark.parametrize(
    ("plan", "limit", "later", "end", "error"),
    [
        (ONCE, 5, 0, S.FAILED, "StepBrokenOffError"),
        (ONE, 1, 0, S.FAILED, "CrashLoopError"),
        (ONE, 5, 101, S.TIMED_OUT, "ProcessTimedOutError"),
    ],
)
def test_it_ends_instead_if_it_must_not_go_on(plan, limit, later, end, error):
    decision = taking.recover("it is gone", limit)(record(plan, begun(plan)), NOW + later)
    assert decision.state.status is end
    assert decision.events[-1].error.type == error


def test_a_cancel_that_waits_for_a_dead_manager_is_done_when_it_is_found():
    decision = taking.recover("it is gone", 5)(record(TWO, begun(TWO), cancel_reason="enough"), NOW)
    assert decision.state.status is S.CANCELLED
    assert decision.state.reason == "enough"


def test_what_has_steps_to_undo_does_not_end_before_they_are_undone():
    second = stepping.after_success(UNDONE, begun(UNDONE), DATA, None, at()).state
    waiting = record(UNDONE, taking.released(UNDONE, second, at()).state)
    undoing = ending.cancel("enough")(waiting, NOW)
    assert undoing.state.status is S.UNDOING
    first = taking.take_up(record(UNDONE, undoing.state), NOW, "here")
    assert kinds(first) == ["ProcessResumed", "UndoStarted"]
