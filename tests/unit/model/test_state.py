"""The state machine: what is allowed, what is refused, and that a stored history folds into its state."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procactors._clock import to_datetime
from procactors.errors import ErrorInfo, InvalidStateError
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.event_body import decode_body, encode_body
from procactors.model.sleep import Sleep
from procactors.model.state import ProcessState, apply, current_step, fold, is_owned, next_call, undo_step
from procactors.model.status import ENDED, ProcessStatus
from procactors.model.step import Step

S = ProcessStatus
START = 1_767_225_600.0
ERROR = ErrorInfo(type="ValueError", message="no")


async def first(data):
    return data


async def second(data):
    return data


PLAN = Process("p", [first, second], timeout=100)


def at(seconds: float = 0.0):
    return to_datetime(START + seconds)


def queued(seconds: float = 0.0) -> e.ProcessQueued:
    return e.ProcessQueued(at=at(seconds), name="p", definition=PLAN.to_spec())


def folded(*events, plan: Process = PLAN) -> ProcessState:
    return fold(events, plan)


def running(seconds: float = 0.0):
    return (
        queued(),
        e.ProcessStarted(at=at(seconds)),
        e.StepStarted(at=at(seconds), step="first", attempt=1),
    )


def test_history_begins_with_queued_and_nothing_else():
    with pytest.raises(InvalidStateError):
        apply(None, e.ProcessStarted(at=at()), PLAN)
    with pytest.raises(InvalidStateError):
        apply(folded(queued()), queued(), PLAN)


def test_time_counts_from_start_not_from_queueing():
    state = folded(*running(seconds=50))
    assert state.deadline_at == START + 150


def test_step_finished_moves_on_and_points_to_its_output():
    state = folded(*running(), e.StepFinished(at=at(1), step="first", output={"x": 1}))
    assert (state.index, state.data_seq, state.attempt, state.in_step) == (1, 4, 0, False)


def test_step_may_not_start_before_the_checkpoint_of_the_one_before():
    with pytest.raises(InvalidStateError, match="a step is running"):
        folded(*running(), e.StepStarted(at=at(), step="second", attempt=1))


def test_step_may_not_finish_twice():
    done = e.StepFinished(at=at(), step="first")
    with pytest.raises(InvalidStateError, match="not running"):
        folded(*running(), done, done)


def test_process_may_not_finish_while_steps_are_left():
    with pytest.raises(InvalidStateError, match="steps are left"):
        folded(*running(), e.StepFinished(at=at(), step="first"), e.ProcessFinished(at=at()))


def test_retry_is_the_next_attempt_and_time_goes_on_counting():
    state = folded(
        *running(),
        e.StepFailed(at=at(1), step="first", attempt=1, error=ERROR),
        e.StepRetryScheduled(at=at(1), step="first", attempt=2, due_at=at(11)),
    )
    assert (state.status, state.due_at, state.next_attempt) == (S.SLEEPING, START + 11, 2)
    assert state.deadline_at == START + 100


def test_failure_that_does_not_count_uses_up_no_attempt():
    state = folded(
        *running(),
        e.StepFailed(at=at(1), step="first", attempt=1, error=ERROR, counts=False),
        e.StepRetryScheduled(at=at(1), step="first", attempt=1, due_at=at(11)),
        e.ProcessResumed(at=at(11)),
    )
    assert (state.failures, state.next_attempt) == (0, 1)
    apply(state, e.StepStarted(at=at(11), step="first", attempt=1), PLAN)


def test_release_costs_neither_attempt_nor_time():
    state = folded(*running(), e.ProcessReleased(at=at(30)))
    assert (state.status, state.next_attempt, state.remaining_s) == (S.QUEUED, 1, 70)
    resumed = apply(state, e.ProcessResumed(at=at(1000)), PLAN)
    assert resumed.deadline_at == START + 1070


def test_recovery_costs_an_attempt_and_time_goes_on():
    state = folded(*running(), e.ProcessRecovered(at=at(30)))
    assert (state.status, state.next_attempt, state.crashes) == (S.QUEUED, 2, 1)
    assert state.deadline_at == START + 100
    assert apply(state, e.ProcessResumed(at=at(60)), PLAN).deadline_at == START + 100


def test_checkpoint_forgets_crashes_and_failures():
    state = folded(
        *running(),
        e.ProcessRecovered(at=at(1)),
        e.ProcessResumed(at=at(1)),
        e.StepStarted(at=at(1), step="first", attempt=2),
        e.StepFinished(at=at(2), step="first", attempt=2),
    )
    assert (state.crashes, state.failures, state.next_attempt) == (0, 0, 1)


def test_interruption_stops_the_time_and_proceeding_starts_it_anew():
    state = folded(
        *running(),
        e.StepFinished(at=at(90), step="first"),
        e.ProcessInterrupted(at=at(90), step="first"),
    )
    assert (state.status, state.deadline_at, state.interrupt_seq) == (S.INTERRUPTED, None, 5)
    state = apply(state, e.ProcessProceeded(at=at(500), data={}), PLAN)
    assert (state.status, state.data_seq, state.remaining_s) == (S.QUEUED, 6, 100)
    assert apply(state, e.ProcessResumed(at=at(600)), PLAN).deadline_at == START + 700


def test_sleep_does_not_count():
    state = folded(queued(), e.ProcessSleeping(at=at(), due_at=at(1000)))
    assert (state.status, state.due_at) == (S.SLEEPING, START + 1000)
    assert apply(state, e.ProcessStarted(at=at(1000)), PLAN).deadline_at == START + 1100


def test_a_pause_is_slept_in_and_its_output_is_its_input():
    plan = Process("p", {"first": first, "nap": Sleep(1000), "second": second}, timeout=100)
    state = folded(
        *running(),
        e.StepFinished(at=at(10), step="first", output={"x": 1}),
        e.StepStarted(at=at(10), step="nap"),
        e.ProcessSleeping(at=at(10), step="nap", due_at=at(1010)),
        plan=plan,
    )
    assert (state.status, state.due_at, state.remaining_s) == (S.SLEEPING, START + 1010, 90)
    assert (current_step(state, plan), next_call(state, plan), is_owned(state)) == ("nap", None, False)
    state = apply(state, e.ProcessResumed(at=at(1010)), plan)
    state = apply(state, e.StepFinished(at=at(1010), step="nap", payload_seq=state.data_seq), plan)
    assert (current_step(state, plan), state.data_seq, state.deadline_at) == ("second", 4, START + 1100)


def test_a_step_that_does_something_may_not_be_slept_in():
    with pytest.raises(InvalidStateError, match="a step is running"):
        folded(*running(), e.ProcessSleeping(at=at(), step="first", due_at=at(10)))


def test_blocked_process_stays_due_and_its_time_stands_still():
    state = folded(*running(), e.ProcessRecovered(at=at(10)), e.ProcessBlocked(at=at(70), step="first"))
    assert (state.status, state.remaining_s) == (S.BLOCKED, 30)
    assert state.due_at is not None
    assert apply(state, e.ProcessResumed(at=at(500)), PLAN).deadline_at == START + 530


def test_nothing_follows_a_cancel_request_but_the_step_at_hand_and_the_end():
    state = folded(*running(), e.ProcessCancelRequested(at=at(), reason="why"))
    assert (state.status, state.reason) == (S.CANCELLING, "why")
    state = apply(state, e.StepFinished(at=at(), step="first"), PLAN)
    for refused in (
        e.StepStarted(at=at(), step="second", attempt=1),
        e.ProcessInterrupted(at=at(), step="first"),
    ):
        with pytest.raises(InvalidStateError):
            apply(state, refused, PLAN)
    assert apply(state, e.ProcessCancelled(at=at(), reason="why"), PLAN).status is S.CANCELLED


def test_retried_process_begins_its_time_and_its_failures_anew():
    state = folded(
        *running(),
        e.StepFailed(at=at(1), step="first", attempt=1, error=ERROR),
        e.ProcessFailed(at=at(1), error=ERROR),
        e.ProcessRetried(at=at(200), step="first"),
    )
    assert (state.status, state.failures, state.next_attempt, state.ended_at) == (S.QUEUED, 0, 2, 0)
    assert apply(state, e.ProcessResumed(at=at(300)), PLAN).deadline_at == START + 400


def test_skipped_step_leaves_the_data_as_it_was():
    state = folded(
        *running(),
        e.StepFailed(at=at(1), step="first", attempt=1, error=ERROR),
        e.ProcessFailed(at=at(1), error=ERROR),
        e.StepSkipped(at=at(2), step="first"),
    )
    assert (state.index, state.skipped, state.data_seq, state.status) == (1, (0,), 1, S.QUEUED)


def test_time_in_a_paused_queue_is_added_to_the_deadline_while_it_counts():
    sleeping = (
        *running(),
        e.StepFailed(at=at(1), step="first", attempt=1, error=ERROR),
        e.StepRetryScheduled(at=at(1), step="first", attempt=2, due_at=at(11)),
    )
    assert folded(*sleeping, e.DeadlineExtended(at=at(50), seconds=40)).deadline_at == START + 140
    assert folded(queued(), e.DeadlineExtended(at=at(50), seconds=40)).deadline_at is None


def test_rewound_process_goes_back_to_a_step_and_its_input():
    state = folded(
        *running(),
        e.StepFinished(at=at(1), step="first"),
        e.StepStarted(at=at(1), step="second", attempt=1),
        e.StepFinished(at=at(2), step="second"),
        e.ProcessFinished(at=at(2)),
        e.ProcessRewound(at=at(3), step="first", data_seq=1),
    )
    assert (state.index, state.data_seq, state.status, current_step(state, PLAN)) == (0, 1, S.QUEUED, "first")


UNDOABLE = Process(
    "p",
    {"first": Step("first", first, undo=first), "second": Step("second", second, undo=second)},
    timeout=100,
)
BOTH_DONE = (
    *running(),
    e.StepFinished(at=at(1), step="first", output=1),
    e.StepStarted(at=at(1), step="second"),
    e.StepFinished(at=at(2), step="second", output=2),
)


def undoing(end: str = "failed", **more):
    return e.ProcessUndoing(at=at(3), end=end, **more)


def test_undo_begins_with_the_last_completed_step_and_its_output():
    state = folded(*BOTH_DONE, undoing(error=ERROR), plan=UNDOABLE)
    assert (state.status, state.deadline_at, state.remaining_s) == (S.UNDOING, None, None)
    assert (undo_step(state, UNDOABLE), state.data_seq, state.error_seq) == ("second", 6, 7)
    assert not is_owned(state)
    with pytest.raises(InvalidStateError, match="the step to undo is 'second'"):
        apply(state, e.UndoStarted(at=at(4), step="first"), UNDOABLE)
    state = apply(state, e.UndoStarted(at=at(4), step="second"), UNDOABLE)
    assert is_owned(state)
    state = apply(state, e.UndoFinished(at=at(4), step="second"), UNDOABLE)
    assert (undo_step(state, UNDOABLE), state.data_seq, state.undone) == ("first", 4, (1,))


def test_a_process_ends_as_it_had_to_when_nothing_is_left_to_undo():
    one = (e.UndoStarted(at=at(4), step="second"), e.UndoFinished(at=at(4), step="second"))
    two = (e.UndoStarted(at=at(5), step="first"), e.UndoFinished(at=at(5), step="first"))
    state = folded(*BOTH_DONE, undoing("cancelled", reason="why"), *one, plan=UNDOABLE)
    with pytest.raises(InvalidStateError, match="something left to undo"):
        apply(state, e.ProcessCancelled(at=at(5), reason="why"), UNDOABLE)
    state = folded(*BOTH_DONE, undoing("cancelled", reason="why"), *one, *two, plan=UNDOABLE)
    with pytest.raises(InvalidStateError, match="it has to end as cancelled"):
        apply(state, e.ProcessFailed(at=at(6), error=ERROR), UNDOABLE)
    ended = apply(state, e.ProcessCancelled(at=at(6), reason="why"), UNDOABLE)
    assert (ended.status, ended.undo, ended.data_seq, ended.undone) == (S.CANCELLED, None, 6, (1, 0))


def test_a_failed_undo_is_resumed_by_a_retry_and_time_never_counts():
    broke = e.UndoFailed(at=at(5), step="second", error=ERROR)
    state = folded(
        *BOTH_DONE, undoing(error=ERROR), e.UndoStarted(at=at(4), step="second"), broke, plan=UNDOABLE
    )
    failed = apply(state, e.ProcessFailed(at=at(5), error=ERROR), UNDOABLE)
    assert (failed.status, undo_step(failed, UNDOABLE)) == (S.FAILED, "second")
    state = apply(failed, e.ProcessRetried(at=at(50), step="second"), UNDOABLE)
    assert (state.status, state.next_attempt, state.error_seq, state.remaining_s) == (S.UNDOING, 2, 7, None)
    skipped = apply(failed, e.StepSkipped(at=at(50), step="second"), UNDOABLE)
    assert (undo_step(skipped, UNDOABLE), skipped.undone) == ("first", ())


def test_recovery_and_release_of_an_undo_leave_it_an_undo():
    begun = (*BOTH_DONE, undoing(error=ERROR), e.UndoStarted(at=at(4), step="second"))
    for event, attempt in ((e.ProcessRecovered(at=at(9)), 2), (e.ProcessReleased(at=at(9)), 1)):
        state = folded(*begun, event, plan=UNDOABLE)
        assert (state.status, state.in_step, state.next_attempt) == (S.UNDOING, False, attempt)
        assert apply(state, e.ProcessResumed(at=at(10)), UNDOABLE).deadline_at is None


KINDS = {
    e.ProcessStarted: {},
    e.ProcessReleased: {},
    e.ProcessRecovered: {},
    e.StepStarted: {"step", "attempt"},
    e.StepFinished: {"step", "attempt"},
    e.StepFailed: {"step", "attempt", "error"},
    e.StepRetryScheduled: {"step", "attempt", "due_at"},
    e.StepSkipped: {"step", "attempt"},
    e.ProcessInterrupted: {"step"},
    e.ProcessProceeded: {},
    e.ProcessSleeping: {"due_at"},
    e.ProcessResumed: {},
    e.ProcessBlocked: {"step"},
    e.DeadlineExtended: {"seconds"},
    e.ProcessCancelRequested: {},
    e.ProcessRetried: {"step"},
    e.ProcessFinished: {},
    e.ProcessFailed: {"error"},
    e.ProcessTimedOut: {},
    e.ProcessCancelled: {},
    e.ProcessUndoing: {"end", "error"},
    e.UndoStarted: {"step", "attempt"},
    e.UndoFinished: {"step", "attempt"},
    e.UndoFailed: {"step", "attempt", "error"},
}


def made(kind, moment: float, step: str, attempt: int):
    values = {"step": step, "attempt": attempt, "error": ERROR, "due_at": at(moment + 5), "end": "failed"}
    values["seconds"] = 5
    return kind(at=at(moment), **{name: values[name] for name in KINDS[kind]})


PROPOSALS = st.lists(
    st.tuples(
        st.sampled_from(list(KINDS)),
        st.floats(0, 20),
        st.sampled_from(["first", "second"]),
        st.integers(1, 4),
    ),
    max_size=60,
)


def allowed_history(proposals) -> list:
    """Apply proposals one by one, keeping those that the state allows; begin to prefer what fits."""
    events, moment = [queued()], 0.0
    state = apply(None, events[0], UNDOABLE)
    for kind, pause, proposed, attempt in proposals:
        moment += pause
        step = undo_step(state, UNDOABLE) or current_step(state, UNDOABLE) or proposed
        event = made(
            kind, moment, step, state.next_attempt if kind in {e.StepStarted, e.UndoStarted} else attempt
        )
        try:
            state = apply(state, event, UNDOABLE)
        except InvalidStateError:
            continue
        events.append(event)
    return events


@settings(max_examples=300, deadline=None)
@given(PROPOSALS)
def test_any_allowed_history_keeps_the_invariants(proposals):
    events = allowed_history(proposals)
    state, finished = None, []
    for number, event in enumerate(events, 1):
        state = apply(state, event, UNDOABLE)
        assert state.seq == number
        assert 0 <= state.index <= len(UNDOABLE.names)
        assert (state.status in ENDED) == bool(state.ended_at)
        assert not (state.deadline_at is not None and state.remaining_s is not None)
        if state.in_step:
            assert state.status in {S.RUNNING, S.CANCELLING, S.QUEUED, S.UNDOING}
        if isinstance(event, e.StepFinished):
            finished.append(event.step)
        assert {index for index, _ in state.undoable}.isdisjoint(state.undone)
        if state.status is S.UNDOING:
            assert state.undo is not None
            assert state.deadline_at is state.remaining_s is None
        if state.undo is None:
            assert not is_owned(state) or state.status is not S.UNDOING
    assert len(finished) == len(set(finished)), "a step has one checkpoint"


@settings(max_examples=200, deadline=None)
@given(PROPOSALS)
def test_stored_history_folds_into_the_stored_state(proposals):
    events = allowed_history(proposals)
    state = fold(events, UNDOABLE)
    stored = [decode_body(encode_body(event), "p", seq, seq) for seq, event in enumerate(events, 1)]
    again = msgspec.json.decode(msgspec.json.encode(state), type=ProcessState)
    assert fold(stored, UNDOABLE) == state == again


def test_moments_in_events_are_exact_to_the_microsecond():
    moment = at(0) + timedelta(microseconds=1)
    event = e.ProcessStarted(at=moment)
    assert decode_body(encode_body(event), "p", 1, 1).at == moment


def test_a_step_begins_only_in_its_turn_and_with_the_next_attempt():
    begun = folded(queued(), e.ProcessStarted(at=at()))
    with pytest.raises(InvalidStateError, match="current step is 'first', not 'second'"):
        apply(begun, e.StepStarted(at=at(), step="second", attempt=1), PLAN)
    with pytest.raises(InvalidStateError, match="attempt 1 is next, not 2"):
        apply(begun, e.StepStarted(at=at(), step="first", attempt=2), PLAN)


def test_no_history_is_no_process():
    with pytest.raises(InvalidStateError, match="without any event"):
        folded()
