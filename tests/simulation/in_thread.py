"""What steps do in threads: the same as on the loop, but for children; nobody cuts them short there."""

from __future__ import annotations

from tests.simulation.outputs import output_of, returned
from tests.simulation.steps import BEAT_S, defer, fail


def act(data, ctx, *, does, witness):
    """Do what the plan says."""
    thread = witness.clock.threads[ctx]
    thread.nap(0)
    if thread.is_abandoned:
        return None  # before it had begun
    with witness.body(ctx, data, thread) as body:
        _work(ctx, does, thread)
        fail(does, body.number)
        for update in does.get("defers", ()):
            defer(ctx, update, witness)
        if "writes" in does:
            ctx.at_checkpoint(witness.write_row, ctx.pid, ctx.step, does["writes"] > body.number)
        body.output = output_of(ctx.step, body.number, data)
        return returned(body.output, does, body.number)


async def act_there(data, ctx, *, does, witness):
    """Do it in an event loop of the thread's own."""
    return act(data, ctx, does=does, witness=witness)


class Act:
    """What is built to do it."""

    def __init__(self, *, does, witness):
        self._does = does
        self._witness = witness

    def execute(self, data, ctx):
        """Do it."""
        return act(data, ctx, does=self._does, witness=self._witness)


def make_act(*, does, witness):
    """Build what does it: from the loop it is seen only then that it needs a thread."""
    return Act(does=does, witness=witness)


def undo(output, ctx, *, does, witness):
    """Undo a step."""
    thread = witness.clock.threads[ctx]
    thread.nap(0)
    if not thread.is_abandoned:
        with witness.body(ctx, output, thread) as body:
            _work(ctx, does, thread)
            fail(does, body.number)


def _work(ctx, does, thread):
    left = does["seconds"]
    while left > 0:
        pause = min(left, BEAT_S) if does.get("beats") else left
        thread.nap(pause)
        left -= pause
        if does.get("beats") == "silently":
            ctx.heartbeat()
        else:
            ctx.progress(does["seconds"] - left, does["seconds"])
