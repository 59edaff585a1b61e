"""A history in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from procactors.errors import ErrorInfo
from procactors.model import event as e
from procactors.web._history import happenings

AT = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(seconds=90)
ERROR = ErrorInfo("OSError", "gone")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (e.ProcessQueued(at=LATER, name="a", definition={}), ("process queued", "", "")),
        (
            e.ProcessQueued(at=LATER, name="a", definition={}, forked_from="f" * 32),
            ("process queued", "", f"forked from {'f' * 32}"),
        ),
        (e.ProcessStarted(at=LATER, owner="w"), ("process started", "", "by w")),
        (e.StepStarted(at=LATER, step="fetch", attempt=2), ("step started", "fetch, attempt 2", "")),
        (e.StepFailed(at=LATER, step="fetch", error=ERROR), ("step failed", "fetch", "OSError: gone")),
        (
            e.StepRetryScheduled(at=AT, step="fetch", attempt=2, due_at=LATER),
            ("step retry scheduled", "fetch, attempt 2", "until 2026-03-31 12:01:30 UTC"),
        ),
        (e.ProcessSleeping(at=AT, due_at=LATER), ("process sleeping", "", "until 2026-03-31 12:01:30 UTC")),
        (e.ProcessProceeded(at=AT, timed_out=True), ("process proceeded", "", "nobody answered in time")),
        (e.ProcessUndoing(at=AT, end="timed_out"), ("process undoing", "", "it will be timed out")),
        (
            e.DeferredUpdateFailed(at=AT, step="fetch", origin="shop:fetch", error=ERROR),
            ("deferred update failed", "fetch", "shop:fetch: OSError: gone"),
        ),
        (
            e.ProcessBlocked(at=AT, step="fetch", reason="no module"),
            ("process blocked", "fetch", "no module"),
        ),
        (e.ProcessCancelled(at=AT, reason="enough"), ("process cancelled", "", "enough")),
        (e.ProcessTimedOut(at=AT), ("process timed out", "", "")),
    ],
)
def test_every_event_is_said_in_words(event, words):
    (one,) = happenings([event])
    assert (one.what, one.step, one.remark) == words


def test_times_count_from_the_first_event():
    first, last = happenings([e.ProcessStarted(at=AT, seq=1), e.ProcessFinished(at=LATER, seq=2)])
    assert (first.since_s, last.since_s) == (0, 90)


def test_of_a_long_history_the_newest_events_are_shown():
    shown = happenings([e.StepStarted(at=AT, step="again", seq=seq) for seq in range(1, 2001)])
    assert (shown[0].seq, shown[-1].seq) == (1501, 2000)
