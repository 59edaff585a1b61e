"""The world outside of the store: it sees steps begin and end, and no crash takes back what it has seen."""

from __future__ import annotations

from contextlib import contextmanager

import anyio

from procactors.executors.call import process_of
from tests.simulation.failures import check_failure

WITNESSES = {}
"""By the number of the run: a durable update has only its arguments to find its own by."""


class Body:
    """One run of a step's code.

    Attributes:
        number: Which one of this step of this process it is, counted from 1.
        output: What it returned; NOTHING: it has not.
        elsewhere: The thread or OS process that it runs in; None: it runs on the loop.
        began: When, in seconds since 1970.
    """

    def __init__(self, pid, step, attempt, number, elsewhere, began):
        self.pid, self.step, self.attempt, self.number = pid, step, attempt, number
        self.output = NOTHING
        self.elsewhere = elsewhere
        self.began = began

    @property
    def may_be_taken(self):
        """Whether its output may be its step's: nothing comes back from what was left behind."""
        return self.elsewhere is None or not self.elsewhere.is_abandoned


NOTHING = object()


class Witness:
    """Sees what steps do."""

    def __init__(self, run, clock):
        self.run = run
        self.clock = clock
        self.ledger = None
        self.bodies = {}
        self.newest = {}
        self.running = {}
        self.durable = {}
        self.updates = 0
        self.returned = {}
        WITNESSES[run] = self

    def leave(self):
        """See nothing more."""
        del WITNESSES[self.run]

    @contextmanager
    def body(self, ctx, data, line, elsewhere=None):
        """See a step's code begin and end, in the manager that has this line to the store."""
        body = self.begin(ctx.pid, ctx.step, ctx.attempt, data, line, elsewhere)
        try:
            yield body
        finally:
            self.end(body)

    def begin(self, pid, step, attempt, data, line, elsewhere):
        """See a step's code begin."""
        if not self.ledger.owners.excuses(line, pid):
            self._check_beginning(pid, step, attempt, data)
        number = self.bodies[pid, step] = self.bodies.get((pid, step), 0) + 1
        body = Body(pid, step, attempt, number, elsewhere, self.clock.wall())
        self.newest[pid, step, attempt] = body
        self.running.setdefault(pid, []).append(body)
        return body

    def end(self, body):
        """See it end."""
        self.running[body.pid].remove(body)
        if body.output is not NOTHING:
            self.returned.setdefault((body.pid, body.step, body.attempt), []).append(body)

    def _check_beginning(self, pid, step, attempt, data):
        life = self.ledger.lives[pid]
        title = f"{self.ledger.title(pid)}: step {step}, attempt {attempt}"
        begun = (life.running, life.attempt)
        if begun != (step, attempt):
            self.ledger.complain(f"{title} runs, and the store has begun {begun}")
            return
        if life.was_cancelled and not life.undo:
            self.ledger.complain(f"{title} runs, and it was cancelled before")
        wanted = life.to_undo[-1][1] if life.undo else life.data
        if data != wanted:
            self.ledger.complain(f"{title} got {data}, not {wanted}")

    def check_end(self, life, event):
        """See that what is told of an end is what the code has returned, or how it ended."""
        if type(event).__name__ in {"StepFailed", "UndoFailed"}:
            self._check_failure(life, event)
        if type(event).__name__ != "StepFinished":
            return
        step = life.plan.steps[event.step]
        if step.is_pause:
            assert event.output == life.inputs[life.index - 1], "a pause changes its data"
        elif step.is_composite:
            self._check_joined(life, step, event)
        elif (life.pid, event.step) in self.bodies:
            returned = self.returned.get((life.pid, event.step, event.attempt), [])
            outputs = [body.output for body in returned if body.may_be_taken]
            assert event.output in outputs, f"{event.output} is not what the step returned: {outputs}"

    def _check_failure(self, life, event):
        step = life.plan.steps[event.step]
        if type(event).__name__ == "UndoFailed":
            step = step.undo
        body = self.newest.get((life.pid, step.name, event.attempt))
        if body is not None:
            check_failure(step, event, body)

    def _check_joined(self, life, step, event):
        """See that a composite's output is made of what its children have finished with."""
        children = []
        for what, _, key in step.call.children(life.inputs[life.index - 1]):
            name = process_of(what, step.name, life.plan).name
            children.append(self.ledger.child_of(life.pid, name, key))
        outputs = [child.outputs if child else [] for child in children]
        joined = step.call.joined(range(len(children)))
        assert _fits(event.output, joined, outputs), (
            f"{event.output} is not what its children gave: {outputs}"
        )

    def check_child(self, pid, name, output):
        """See that what a step got of its child is what that finished with."""
        child = self.ledger.child_of(pid, name, None)
        if child is None or output not in child.outputs:
            self.ledger.complain(f"{self.ledger.title(pid)} got {output} of {name}, which never gave that")

    def has_run(self, update):
        """Tell whether a durable update has been done."""
        _, pid, step = update.data_at_first["args"]
        return (pid, step) in self.durable

    # What steps do besides.

    def write_row(self, connection, pid, step, is_bad):
        """Write with a checkpoint, or break it."""
        connection.execute("CREATE TABLE IF NOT EXISTS rows (pid TEXT, step TEXT)")
        connection.execute("INSERT INTO rows VALUES (?, ?)", (pid, step))
        if is_bad:
            raise OSError("as planned")

    async def update(self, pid, step, seconds, fails):
        """Do what was deferred."""
        await anyio.sleep(seconds)
        self.updates += 1
        if fails:
            raise OSError("as planned")

    @staticmethod
    async def durable_update(run, pid, step):
        """Do what was deferred, even after a crash."""
        done = WITNESSES[run].durable
        done[pid, step] = done.get((pid, step), 0) + 1


class Eye:
    """The witness, as it sees the steps of one manager."""

    def __init__(self, witness, line):
        self._witness = witness
        self._line = line

    def __getattr__(self, name):
        return getattr(self._witness, name)

    def body(self, ctx, data, elsewhere=None):
        """See a step's code begin and end."""
        return self._witness.body(ctx, data, self._line, elsewhere)

    def begin(self, pid, step, attempt, data, elsewhere):
        """See a step's code begin that runs elsewhere."""
        return self._witness.begin(pid, step, attempt, data, self._line, elsewhere)


def _fits(output, joined, outputs):
    """Tell whether `output` is `joined`, with one of the outputs of its child in place of each number."""
    match joined:
        case dict():
            return output.keys() == joined.keys() and all(
                _fits(output[name], joined[name], outputs) for name in joined
            )
        case list():
            return len(output) == len(joined) and all(
                _fits(*both, outputs) for both in zip(output, joined, strict=True)
            )
    return output in outputs[joined]
