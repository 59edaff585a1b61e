"""What follows the end of a step, as it is decided."""

from __future__ import annotations

import msgspec
import pytest

from procactors.engine.decisions import cutting, stepping
from procactors.executors._executor import NORMAL, Ending
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.interrupt import Question
from procactors.model.state import apply
from procactors.model.status import ProcessStatus as S
from procactors.model.step import Step
from tests.unit.engine.decisions.lives import (
    DATA,
    FAILURE,
    NOW,
    ONE,
    RETRIED,
    TWO,
    at,
    begun,
    first,
    kinds,
)


def test_a_checkpoint_and_what_follows_it_are_one_decision():
    done = stepping.after_success(TWO, begun(TWO), DATA, None, at())
    assert kinds(done) == ["StepFinished", "StepStarted"]
    assert kinds(stepping.after_success(ONE, begun(ONE), DATA, None, at())) == [
        "StepFinished",
        "ProcessFinished",
    ]


def test_a_question_interrupts_unless_a_cancel_is_recorded():
    asked = stepping.after_success(TWO, begun(TWO), DATA, Question(timeout=5), at())
    assert kinds(asked) == ["StepFinished", "ProcessInterrupted"]
    assert asked.state.due_at == NOW + 5
    cancelling = apply(begun(TWO), e.ProcessCancelRequested(at=at(), reason="enough"), TWO)
    cancelled = stepping.after_success(TWO, cancelling, DATA, Question(), at())
    assert kinds(cancelled) == ["StepFinished", "ProcessCancelled"]
    assert cancelled.state.reason == "enough"


def test_failures_of_what_was_deferred_come_before_the_checkpoint():
    failure = e.DeferredUpdateFailed(at=at(), step="first", origin="here", error=FAILURE.error)
    done = stepping.after_success(TWO, begun(TWO), DATA, None, at(), (failure,))
    assert kinds(done) == ["DeferredUpdateFailed", "StepFinished", "StepStarted"]


def test_a_failure_is_tried_again_as_often_as_its_step_says():
    again = stepping.after_failure(RETRIED, begun(RETRIED), FAILURE, at(), 0.0)
    assert kinds(again) == ["StepFailed", "StepRetryScheduled"]
    assert again.state.due_at == NOW + 4
    second = msgspec.structs.replace(begun(RETRIED), failures=1, attempt=2, next_attempt=3)
    assert stepping.after_failure(RETRIED, second, FAILURE, at(), 0.0).state.status is S.FAILED


def test_another_try_that_the_step_asked_for_costs_no_attempt():
    asked = msgspec.structs.replace(FAILURE, retry_after=7)
    again = stepping.after_failure(ONE, begun(ONE), asked, at(), 0.0)
    assert (again.state.failures, again.state.next_attempt, again.state.due_at) == (0, 1, NOW + 7)


@pytest.mark.parametrize("is_heartbeat", [False, True])
def test_a_step_that_ran_too_long_or_fell_silent_has_failed(is_heartbeat):
    plan = Process("p", [Step("first", first, timeout=3, heartbeat=2)])
    failed = cutting.overdue(plan, begun(plan), NORMAL, at(), 0.0, is_heartbeat=is_heartbeat)
    error = failed.events[-1].error
    assert error.type == "TimeoutError"
    assert ("heartbeat for 2 s" if is_heartbeat else "timeout of 3 s") in error.message


def test_of_a_step_that_was_cancelled_only_the_end_of_its_os_process_is_told():
    assert cutting.cut_off(TWO, begun(TWO), NORMAL, at()).events == ()
    killed = cutting.cut_off(TWO, begun(TWO), Ending(signal="SIGKILL"), at())
    assert kinds(killed) == ["StepFailed"]
    assert killed.events[0].error.signal == "SIGKILL"
