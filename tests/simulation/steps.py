"""What the steps of the simulation do: whatever `does` says, in the sight of the witness."""

from __future__ import annotations

import anyio

from procactors import Fatal, Process, ProcessEndedError, RetryAfter
from procactors.deferred import Stage
from tests.simulation.outputs import digest, output_of, returned

BEAT_S = 0.4


async def act(data, ctx, *, does, witness, rare=None):
    """Do what the plan says."""
    with witness.body(ctx, data) as body:
        await _work(ctx, does)
        fail(does, body.number)
        for update in does.get("defers", ()):
            defer(ctx, update, witness)
        if "writes" in does:
            ctx.at_checkpoint(witness.write_row, ctx.pid, ctx.step, does["writes"] > body.number)
        got = await _run_children(ctx, data, does, witness) if "runs" in does else []
        body.output = output_of(ctx.step, body.number, data, got)
        return returned(body.output, does, body.number)


async def undo(output, ctx, *, does, witness):
    """Undo a step."""
    with witness.body(ctx, output) as body:
        await _work(ctx, does)
        fail(does, body.number)


async def _work(ctx, does):
    left = does["seconds"]
    try:
        while left > 0:
            pause = min(left, BEAT_S) if does.get("beats") else left
            await anyio.sleep(pause)
            left -= pause
            ctx.progress(does["seconds"] - left, does["seconds"])
    finally:
        if "clings" in does and left > 0:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(does["clings"])


def fail(does, number):
    """Fail, if that is what the plan says of the run of that number."""
    if number > does.get("fails", 0):
        return
    match does.get("with", "error"):
        case "error":
            raise OSError("as planned")
        case "fatal":
            raise Fatal("as planned")
        case "later":
            raise RetryAfter(1)
        case "exit":
            raise SystemExit(3)
        case "stop":
            raise StopIteration


def defer(ctx, update, witness):
    """Defer an update."""
    if update["durable"]:
        ctx.defer(witness.durable_update, witness.run, ctx.pid, ctx.step, durable=True)
    else:
        stage = Stage[update["stage"]]
        ctx.defer(witness.update, ctx.pid, ctx.step, update["seconds"], update["fails"], stage=stage)


async def _run_children(ctx, data, does, witness):
    runs = [(Process.from_spec(spec), {"for": digest(data), "items": []}, None) for spec in does["runs"]]
    with anyio.move_on_after(does.get("patience", float("inf"))) as scope:
        try:
            outputs = await _outputs(ctx, runs, does)
        except ProcessEndedError as error:
            if not does.get("forgives"):
                raise
            return [type(error).__name__]
        for (process, _, _), output in zip(runs, outputs, strict=True):
            witness.check_child(ctx.pid, process.name, output)
        return [digest(output) for output in outputs]
    assert scope.cancelled_caught
    return ["impatient"]


async def _outputs(ctx, runs, does):
    if does["gathers"]:
        return await ctx.gather(*runs, limit=does.get("limit"))
    return [await ctx.run(*run) for run in runs]
