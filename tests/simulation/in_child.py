"""What steps do in OS processes of their own: whatever `does` says, on the leash of the simulation.

A child says on the leash what it is about to do, and does it when it is told to; so it works only when it is
its turn, and sleeps in virtual time. It is imported in the child: little else may be imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

import msgspec

from procactors import Fatal, RetryAfter
from tests.simulation.outputs import output_of, returned

BEAT_S = 1
BEATS_AGAIN_S = 0.025
"""Real seconds in which a worker tells of no second heartbeat."""


def address(pid):
    """Return where the simulation in the OS process `pid` listens."""
    return f"\0procactors-simulation-{pid}"


class Leash:
    """The child's end of it."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address(os.getppid()))
        self._file = self._socket.makefile("rb")

    def say(self, kind, **more):
        """Say what is about to be done; return when it may be."""
        self._socket.sendall(msgspec.json.encode({"kind": kind, **more}) + b"\n")
        return msgspec.json.decode(self._file.readline() or b"null")


def act(data, ctx, *, does):
    """Do what the plan says."""
    leash, number = _begin(data, ctx, does)
    _work(ctx, does, leash)
    _fail(does, number, leash)
    output = output_of(ctx.step, number, data)
    leash.say("over", how="return", output=output)
    return returned(output, does, number)


def undo(output, ctx, *, does):
    """Undo a step."""
    leash, number = _begin(output, ctx, does)
    _work(ctx, does, leash)
    _fail(does, number, leash)
    leash.say("over", how="return")


def _begin(data, ctx, does):
    if does.get("is_deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leash = Leash()
    number = leash.say(
        "begin",
        pid=ctx.pid,
        step=ctx.step,
        attempt=ctx.attempt,
        data=data,
        is_deaf=bool(does.get("is_deaf")),
    )
    return leash, number


def _work(ctx, does, leash):
    left = does["seconds"]
    try:
        while left > 0:
            pause = min(left, BEAT_S) if does.get("beats") else left
            leash.say("sleep", seconds=pause)
            left -= pause
            if does.get("beats") == "silently":
                time.sleep(BEATS_AGAIN_S)  # noqa: TID251 - there is no loop in a child
                ctx.heartbeat()
            else:
                ctx.progress(does["seconds"] - left, does["seconds"])
    except SystemExit:
        if "clings" in does:
            leash.say("cling", seconds=does["clings"])
        raise


def _fail(does, number, leash):
    how = does.get("with")
    if number > does.get("fails", 0) or how == "junk":
        return
    leash.say("over", how=how)
    match how:
        case "error":
            raise OSError("as planned")
        case "fatal":
            raise Fatal("as planned")
        case "later":
            raise RetryAfter(1)
        case "exit":
            sys.exit(3)
        case "_exit":
            os.write(2, b"as planned\n")
            os._exit(7)
        case _:
            os.kill(os.getpid(), signal.Signals[how])
            signal.pause()
