"""What may happen to one process, told a second time: small, and without a look at the engine's own rules.

It follows the events of a process one by one, and breaks off at the first that must not be.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from procactors import Process

FREE = {"queued", "sleeping", "interrupted", "blocked"}
ALIVE = {"running", "waiting", *FREE}
ENDED = {"finished", "failed", "timed_out", "cancelled"}
SAME = "the same"

MOVES = {
    "ProcessStarted": ({"queued", "sleeping", "blocked"}, "running"),
    "ProcessResumed": ({"queued", "sleeping", "blocked", "waiting"}, "running"),
    "ProcessReleased": ({"running", "waiting"}, "queued"),
    "ProcessRecovered": ({"running", "waiting"}, "queued"),
    "StepStarted": ({"running"}, SAME),
    "StepFinished": ({"running", "waiting"}, "running"),
    "StepFailed": ({"running", "waiting"}, "running"),
    "StepRetryScheduled": ({"running"}, "sleeping"),
    "StepSkipped": ({"blocked", "failed"}, "queued"),
    "ProcessInterrupted": ({"running"}, "interrupted"),
    "ProcessProceeded": ({"interrupted"}, "queued"),
    "ProcessWaiting": ({"running"}, "waiting"),
    "ProcessSleeping": ({"queued", "running"}, "sleeping"),
    "ProcessBlocked": ({"queued", "sleeping", "undoing"}, "blocked"),
    "DeadlineExtended": ({"queued", "sleeping"}, SAME),
    "ProcessCancelRequested": (ALIVE, "cancelling"),
    "ProcessRewound": (FREE | ENDED | {"undoing"}, "queued"),
    "ProcessRetried": ({"failed", "timed_out"}, "queued"),
    "ProcessUndoing": (ALIVE | {"cancelling"}, "undoing"),
    "UndoStarted": ({"undoing"}, SAME),
    "UndoFinished": ({"undoing"}, SAME),
    "UndoFailed": ({"undoing"}, SAME),
    "DeferredUpdateFailed": (ALIVE | {"cancelling", "undoing"}, SAME),
    "ProcessFinished": ({"running", "queued"}, "finished"),
    "ProcessFailed": ({"running", "queued", "undoing"}, "failed"),
    "ProcessTimedOut": ({"running", "waiting", "queued", "sleeping", "interrupted", "undoing"}, "timed_out"),
    "ProcessCancelled": ({"cancelling", "undoing"}, "cancelled"),
}
"""In which statuses an event may happen, and what the status is after it."""

WHILE_ENDING = {
    "StepFinished": {"cancelling"},
    "StepFailed": {"cancelling"},
    "ProcessRecovered": {"undoing"},
    "ProcessReleased": {"undoing"},
    "ProcessResumed": {"undoing"},
    "ProcessWaiting": {"undoing"},
}
"""In which further statuses it may happen, and leaves them as they are."""


class Undo(NamedTuple):
    """A process on its way back: how it ends, and where it stood."""

    end: str
    attempt: int
    is_back: bool


class Biography:
    """One process, as its events say.

    Attributes:
        inputs: What each step that has begun got, by index.
        to_undo: The steps that are completed and can be undone, with their outputs.
        was_cancelled: True once a cancel was recorded, until somebody goes back by hand.
        is_back: Whether the attempt that has begun last is to be made again under its number.
        ends: How it ended, each time; the last time at `ended_at`.
        outputs: What it finished with, each time.
        completed: How often each step was completed.
        answers: How many interrupts were answered.
        owner: The number of the manager that runs it.
    """

    def __init__(self, queued):
        self.pid = queued.pid
        self.name = queued.name
        self.key = queued.key
        self.group = queued.group
        self.parent_pid = queued.parent_pid
        self.forked_from = queued.forked_from
        self.plan = Process.from_spec(queued.definition)
        self.status = "queued"
        self.seq = 1
        self.index = self.plan.names.index(queued.step) if queued.step else 0
        self.data = self.data_at_first = queued.data
        self.inputs = {}
        self.in_step = False
        self.attempt = 0
        self.to_undo = []
        self.undo = None
        self.is_back = False
        self.was_cancelled = False
        self.ends = []
        self.ended_at = 0.0
        self.answers = 0
        self.owner = None
        self._must_be_cancelled = False
        self.outputs = []
        self.completed = Counter()

    @property
    def step(self):
        """The current or next step's name; None: none is left."""
        return self.plan.names[self.index] if self.index < len(self.plan.names) else None

    @property
    def running(self):
        """The name of what runs now, as its context says it; None: nothing."""
        if not self.in_step:
            return None
        return f"{self.to_undo[-1][0]}.undo" if self.undo else self.step

    @property
    def is_ended(self):
        return self.status in ENDED

    @property
    def is_update(self):
        return self.name == "deferred update"

    def does(self, step, what):
        """Return what the plan says of what a step does; None: nothing."""
        return self.plan.steps[step].kwargs.get("does", {}).get(what)

    @property
    def is_owned(self):
        if self.status == "undoing":
            return self.in_step
        return self.status in {"running", "waiting", "cancelling"}

    def live(self, event):
        """Follow an event. Raises AssertionError if it must not be."""
        kind = type(event).__name__
        assert event.seq == self.seq + 1, f"event {event.seq} follows event {self.seq}"
        self.seq = event.seq
        self._move(kind)
        happened = getattr(self, re.sub(r"(?=[A-Z])", "_", kind).lower(), None)
        if happened is not None:
            happened(event)

    def _move(self, kind):
        allowed, after = MOVES[kind]
        if self.status in WHILE_ENDING.get(kind, ()):
            return
        assert self.status in allowed, f"{kind} while {self.status}"
        if kind in {"StepSkipped", "ProcessRetried", "ProcessResumed"} and self.undo is not None:
            after = "undoing"
        if after != SAME:
            self.status = after

    # Steps.

    def _step_started(self, event):
        assert not self.in_step, f"{event.step} begins within {self.step}"
        assert event.step == self.step, f"{event.step} begins, and {self.step} is next"
        assert not self.was_cancelled, f"{event.step} begins after a cancel"
        assert event.attempt in {self.attempt, self.attempt + 1}, f"attempt {event.attempt}"
        assert event.attempt > self.attempt or self.is_back, f"attempt {event.attempt} twice"
        self.in_step, self.is_back, self.attempt = True, False, event.attempt
        self.inputs[self.index] = self.data

    def _step_finished(self, event):
        self._end_step(event)
        self.completed[event.step] += 1
        if self.plan.steps[event.step].undo is not None:
            self.to_undo = [one for one in self.to_undo if one[0] != event.step]
            self.to_undo.append((event.step, event.output))
        self.index, self.attempt, self.data = self.index + 1, 0, event.output

    def _step_failed(self, event):
        self._end_step(event)
        self.is_back = not event.counts

    def _end_step(self, event):
        assert self.in_step, f"{event.step} ends, and nothing has begun"
        running = (self.step, self.attempt)
        assert (event.step, event.attempt) == running, f"{event.step} ends, and {running} was running"
        self.in_step = False

    def _step_skipped(self, event):
        if self.undo is not None:
            self._end_undo(event)
            return
        assert event.step == self.step, f"{event.step} is skipped, and {self.step} is next"
        self.inputs[self.index] = self.data
        self.index, self.attempt = self.index + 1, 0
        self.is_back = False

    # Pauses.

    def _process_released(self, event):
        self.is_back, self.in_step = self.in_step or self.is_back, False

    def _process_recovered(self, event):
        self.in_step = False

    def _process_waiting(self, event):
        assert self.in_step, "it waits for children, and no step runs"

    def _process_interrupted(self, event):
        assert not self.in_step, "it is interrupted within a step"
        assert event.data == self.data, "the question is not about the last output"

    def _process_proceeded(self, event):
        self.answers += 1
        self.data = event.data

    def _process_sleeping(self, event):
        assert not self.in_step or self.plan.steps[self.step].is_pause, "it sleeps within a step"

    # By hand.

    def _process_retried(self, event):
        if self.undo is None:
            assert event.step == self.step, f"{event.step} is retried, and {self.step} has failed"

    def _process_rewound(self, event):
        index = self.plan.names.index(event.step)
        assert index <= self.index, f"{event.step} has not begun"
        if self.undo is not None:
            self.undo = None
        self.was_cancelled, self.is_back, self.in_step, self._must_be_cancelled = False, False, False, False
        if index in self.inputs:
            self.data = self.inputs[index]
        self.inputs = {begun: data for begun, data in self.inputs.items() if begun <= index}
        self.index, self.attempt = index, 0

    def _process_cancel_requested(self, event):
        self.was_cancelled = True

    # Undo.

    def _process_undoing(self, event):
        assert self.undo is None, "it is undone already"
        assert self.to_undo, "there is nothing to undo"
        self.undo = Undo(event.end, self.attempt, self.is_back)
        self.in_step, self.is_back, self.attempt = False, False, 0

    def _undo_started(self, event):
        assert not self.in_step, f"the undo of {event.step} begins within another"
        assert event.step == self.to_undo[-1][0], f"{event.step} is undone before {self.to_undo[-1][0]}"
        self.in_step, self.attempt = True, event.attempt

    def _undo_finished(self, event):
        assert self.in_step, "no undo has begun"
        self._end_undo(event)

    def _end_undo(self, event):
        assert event.step == self.to_undo[-1][0], f"{event.step} was not the next to undo"
        self.to_undo.pop()
        self.in_step, self.attempt = False, 0

    def _undo_failed(self, event):
        assert self.in_step, "no undo has begun"
        self.in_step = False

    # Ends.

    def promise_cancelled(self, ends):
        """Somebody was told that it ends as cancelled, and asked when it had ended so often."""
        assert self.ends[ends:].count("cancelled") or not self.is_ended, (
            f"it was cancelled, and is {self.status}"
        )
        self._must_be_cancelled = not self.is_ended

    def _process_finished(self, event):
        assert self.index == len(self.plan.names), f"it is finished before {self.step}"
        assert not self.was_cancelled, "it is finished after a cancel"
        assert event.output == self.data, "its output is not that of its last step"
        self.outputs.append(event.output)
        self._end(event)

    def _process_failed(self, event):
        if self.undo is not None and self.to_undo:
            assert event.error.type == "UndoFailedError", "it has failed before it is undone"
            self.in_step = False
            self.ends.append("undo failed")
            self.ended_at = event.at.timestamp()
            self._must_be_cancelled = False
            return
        self._end(event)

    def _process_timed_out(self, event):
        self._end(event)

    def _process_cancelled(self, event):
        assert self.was_cancelled or self.undo, "nobody has cancelled it"
        self._end(event)

    def _end(self, event):
        if self.undo is not None:
            assert self.status == self.undo.end, f"it has to end as {self.undo.end}"
            assert not self.to_undo, f"{self.to_undo[-1][0]} is still to be undone"
            self.attempt, self.is_back = self.undo.attempt, self.undo.is_back
        elif self.status != "finished":
            assert not self.to_undo, f"{self.to_undo[-1][0]} is not undone"
        self.undo = None
        self.in_step = False
        self.ends.append(self.status)
        self.ended_at = event.at.timestamp()
        assert self.status == "cancelled" or not self._must_be_cancelled, "it was to end as cancelled"
        self._must_be_cancelled = False
