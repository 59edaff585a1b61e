"""What the steps of the simulation do: whatever `does` says, in the sight of the witness."""

from __future__ import annotations

import hashlib

import anyio
import msgspec

from procactors import Fatal, Interrupt, Process, ProcessEndedError, RetryAfter
from procactors.deferred import Stage

_BEAT_S = 0.4


def digest(data):
    """Return a short name of data, so that outputs tell what they were made of, and stay small."""
    encoded = msgspec.json.encode(data, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=4).hexdigest()


async def act(data, ctx, *, does, witness):
    """Do what the plan says."""
    with witness.body(ctx, data) as body:
        await _work(ctx, does)
        _fail(does, body.number)
        for update in does.get("defers", ()):
            _defer(ctx, update, witness)
        if "writes" in does:
            ctx.at_checkpoint(witness.write_row, ctx.pid, ctx.step, does["writes"] > body.number)
        got = await _run_children(ctx, data, does, witness) if "runs" in does else []
        output = {"by": ctx.step, "of": digest(data), "items": _items(data), "got": got}
        if does.get("with") == "junk" and body.number <= does["fails"]:
            return 1j  # no JSON has that
        body.output = output
        return Interrupt(output, **does["asks"]) if "asks" in does else output


async def undo(output, ctx, *, does, witness):
    """Undo a step."""
    with witness.body(ctx, output) as body:
        await _work(ctx, does)
        _fail(does, body.number)


def _items(data):
    return [{"item": number, "of": digest(data), "items": []} for number in range(2)]


async def _work(ctx, does):
    left = does["seconds"]
    try:
        while left > 0:
            pause = min(left, _BEAT_S) if does.get("beats") else left
            await anyio.sleep(pause)
            left -= pause
            ctx.progress(does["seconds"] - left, does["seconds"])
    finally:
        if "clings" in does and left > 0:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(does["clings"])


def _fail(does, number):
    if number > does.get("fails", 0):
        return
    match does.get("with", "error"):
        case "error":
            raise OSError("as planned")
        case "fatal":
            raise Fatal("as planned")
        case "later":
            raise RetryAfter(1)


def _defer(ctx, update, witness):
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
