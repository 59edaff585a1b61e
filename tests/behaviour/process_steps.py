"""Steps for OS processes of their own: they crash, hang, count and start others."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import msgspec

from procactors import Interrupt, step


class Decision(msgspec.Struct):
    yes: bool


@step
def whoami(data):
    """Return what this OS process is."""
    return {
        "os_pid": os.getpid(),
        "argv": sys.argv[1:],
        "env": {name: os.environ.get(name) for name in ("SHOP", "PATH")},
        "nice": os.nice(0),
        "group": os.getpgrp(),
        "session": os.getsid(0),
    }


@step(name="shop.stable")
def stable(data):
    return {"n": data.get("n", 0) + 1}


@step
def ask(data):
    return Interrupt({"n": 1}, schema=Decision)


@step
def ask_with_a_default_that_does_not_fit(data):
    return Interrupt(data, schema=Decision, timeout=1, on_timeout={"yes": 7})


@step
def segfault(data):
    sys.stderr.write("last words\n")
    os.kill(os.getpid(), signal.SIGSEGV)


@step
def exit_at_once(data):
    sys.stderr.write("x" * 5000 + "the end")
    sys.stderr.flush()
    os._exit(3)


@step
def exit_politely(data):
    sys.exit(4)


@step
def kill_itself(data):
    os.kill(os.getpid(), signal.SIGKILL)


@step
def crash_twice(data, ctx):
    """Crash in the first two attempts."""
    if ctx.attempt < 3:
        os._exit(9)
    return {"attempt": ctx.attempt}


@step
def fail_loudly(data):
    sys.stderr.write("about to fail\n")
    raise LookupError("nothing there")


@step
def wait(data):
    """Note that it runs and has a child, and wait; clean up when told to end."""
    child = subprocess.Popen(["sleep", "1000"])
    note(data, f"{os.getpid()} {child.pid}")
    try:
        threading.Event().wait()
    finally:
        note(data, "cleaned up", "cleaned")
        child.poll()
        warnings.simplefilter("ignore")


@step
async def wait_async(data):
    note(data, f"{os.getpid()} {os.getpid()}")
    try:
        await asyncio.Event().wait()
    finally:
        note(data, "cleaned up", "cleaned")


@step
def deaf(data):
    """Wait, and ignore SIGTERM, with a child that does so too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "1000"])
    note(data, f"{os.getpid()} {child.pid}")
    threading.Event().wait()


@step
def leave_child(data):
    """Leave a child behind, and crash."""
    child = subprocess.Popen(["sleep", "1000"])
    note(data, f"{os.getpid()} {child.pid}")
    os._exit(1)


@step
def gated(data):
    """Wait for a file."""
    note(data, str(os.getpid()))
    while not Path(data["gate"]).exists():
        threading.Event().wait(0.01)
    return {"os_pid": os.getpid()}


@step
def beat_and_wait(data, ctx):
    """Give signs of life ten times, then none."""
    for _ in range(10):
        ctx.heartbeat()
        threading.Event().wait(0.05)
    threading.Event().wait()


@step
def tell_and_wait(data, ctx):
    """Say how far it is, log, and wait for a file."""
    ctx.progress(1, 3, "a third")
    logger = logging.getLogger("shop.stock")
    logger.debug("too quiet to be heard")
    logger.warning("only %d left", 3, extra={"item": "pen"})
    try:
        1 / 0  # noqa: B018 - it is there to fail
    except ZeroDivisionError:
        logger.exception("no shelf")
    return gated(data)


@step
def eat_memory(data):
    return len(bytearray(data["bytes"]))


@step
def use(data, ctx):
    return getattr(ctx, data["name"])


def note(data, text, suffix=""):
    """Write a note for the test to find; whole, or it is not there."""
    path = Path(data["note"] + suffix)
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").rename(path)
