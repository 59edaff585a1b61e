"""Which event holds a step's input, from the history alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from procactors.errors import ErrorInfo
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.inputs import recorded_inputs
from procactors.model.step import Step


async def work(data):
    return data


PLAN = Process("p", {"a": work, "b": work, "c": work})
AT = datetime(2026, 1, 1, tzinfo=UTC)
ERROR = ErrorInfo(type="ValueError")


def history(*events):
    """Number events, as the store does; a number among them leaves numbers out."""
    numbered, seq = [], 0
    for event in (e.ProcessQueued(at=AT, name="p", definition=None), e.ProcessStarted(at=AT), *events):
        if isinstance(event, int):
            seq += event
            continue
        seq += 1
        numbered.append(type(event)(**{f: getattr(event, f) for f in event.__struct_fields__} | {"seq": seq}))
    return numbered


def started(step, attempt=1):
    return e.StepStarted(at=AT, step=step, attempt=attempt)


def finished(step, attempt=1):
    return e.StepFinished(at=AT, step=step, attempt=attempt, output={})


DONE_A = (started("a"), finished("a"))
FAILED_B = (started("b"), e.StepFailed(at=AT, step="b", error=ERROR), e.ProcessFailed(at=AT, error=ERROR))


@pytest.mark.parametrize(
    ("events", "inputs"),
    [
        ((), {"a": 1}),
        (DONE_A, {"a": 1, "b": 4}),
        ((*DONE_A, *FAILED_B), {"a": 1, "b": 4}),
        ((*DONE_A, 3, started("b"), finished("b")), {"a": 1, "b": 4, "c": 9}),
        ((*DONE_A, *FAILED_B, e.StepSkipped(at=AT, step="b")), {"a": 1, "b": 4, "c": 4}),
        ((*DONE_A, *FAILED_B, e.ProcessRewound(at=AT, step="a", data_seq=1)), {"a": 1}),
        ((*DONE_A, e.ProcessInterrupted(at=AT, step="a")), {"a": 1}),
        ((*DONE_A, e.ProcessInterrupted(at=AT, step="a"), e.ProcessProceeded(at=AT)), {"a": 1, "b": 6}),
        (
            (*DONE_A, e.ProcessSleeping(at=AT, due_at=AT + timedelta(1))),
            {"a": 1, "b": 4},
        ),
    ],
)
def test_inputs(events, inputs):
    assert recorded_inputs(history(*events), PLAN) == inputs


def test_undo_changes_no_input():
    plan = Process("p", {"a": Step("a", work, undo=work), "b": work, "c": work})
    before = (*DONE_A, e.ProcessCancelRequested(at=AT), e.ProcessUndoing(at=AT, end="cancelled"))
    for undone in ((), (e.UndoStarted(at=AT, step="a"), e.UndoFinished(at=AT, step="a"))):
        assert recorded_inputs(history(*before, *undone), plan) == {"a": 1, "b": 4}


def test_no_history_no_inputs():
    assert recorded_inputs([], PLAN) == {}
