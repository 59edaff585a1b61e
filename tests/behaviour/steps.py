"""The steps that the behaviour tests are made of, and the probe by which a test talks with them."""

from __future__ import annotations

import threading
from collections import defaultdict

import anyio

from procactors import Fatal, Interrupt, RetryAfter


class Probe:
    """What steps tell the test, and what the test tells the steps."""

    def __init__(self):
        self.calls = []
        self.seen = []
        self.reached = defaultdict(anyio.Event)
        self.gates = defaultdict(anyio.Event)
        self.thread_gate = threading.Event()
        self.in_thread = threading.Event()
        self.failures = 0
        self.times = []
        self.cleaned = []

    @property
    def steps(self):
        return [step for step, _ in self.calls]

    @property
    def attempts(self):
        return [attempt for _, attempt in self.calls]

    def note(self, data, ctx):
        self.calls.append((ctx.step, ctx.attempt))
        self.seen.append(data)


async def echo(data):
    return data


async def note(data, ctx):
    ctx.services["probe"].note(data, ctx)
    return data


async def grow(data, ctx):
    """Append the step's name to `trail`."""
    ctx.services["probe"].note(data, ctx)
    return {**data, "trail": [*data.get("trail", []), ctx.step]}


async def gated(data, ctx):
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.reached[ctx.step].set()
    try:
        await probe.gates[ctx.step].wait()
    except BaseException:
        probe.cleaned.append(ctx.step)
        raise
    return data


async def forever(data, ctx):
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.reached[ctx.step].set()
    await anyio.sleep_forever()


async def sleeps(data, ctx):
    """Work for `data["s"]` seconds."""
    ctx.services["probe"].note(data, ctx)
    await anyio.sleep(data["s"])
    return data


async def slow_to_end(data, ctx):
    """When cancelled, clean up until the gate opens."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.reached[ctx.step].set()
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await probe.gates[ctx.step].wait()
        probe.cleaned.append(ctx.step)


async def deaf(data, ctx):
    """Swallow every cancellation until the gate opens. The loop never idles then: for real time only."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.reached[ctx.step].set()
    while not probe.gates[ctx.step].is_set():
        try:
            await probe.gates[ctx.step].wait()
        except BaseException:  # noqa: BLE001 - to swallow it is the point
            probe.cleaned.append(ctx.step)
    return data


def plain(data):
    return {**data, "thread": threading.current_thread() is not threading.main_thread()}


def in_thread(data, ctx):
    """Occupy a thread until the gate opens."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.in_thread.set()
    assert probe.thread_gate.wait(300), "longer than a test may hang"
    probe.cleaned.append(ctx.step)
    return data


async def ask(data, ctx):
    ctx.services["probe"].note(data, ctx)
    return Interrupt({**data, "question": "?"})


async def fail(data, ctx):
    ctx.services["probe"].note(data, ctx)
    raise ValueError("no good")


async def fail_often(data, ctx):
    """Fail as long as the probe says so, noting the time of each attempt."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.times.append(anyio.current_time())
    if probe.failures:
        probe.failures -= 1
        raise OSError("not yet")
    return data


async def come_later(data, ctx):
    """Ask for another try after `data["s"]` seconds as long as the probe says so."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.times.append(anyio.current_time())
    if probe.failures:
        probe.failures -= 1
        raise RetryAfter(data["s"])
    return data


async def hopeless(data, ctx):
    ctx.services["probe"].note(data, ctx)
    raise Fatal("never")


async def cause_chain(data):
    try:
        _deeper()
    except OSError as error:
        raise RuntimeError("top") from error


def _deeper():
    try:
        return {}["deepest"]
    except KeyError as error:
        raise OSError("deeper") from error


async def exits(data):
    raise SystemExit(3)
