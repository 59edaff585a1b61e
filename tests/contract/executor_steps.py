"""Steps that run in every executor, and say what they saw."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
import threading

import msgspec

from procactors import Fatal, Interrupt, RetryAfter


class Order(msgspec.Struct):
    item: str
    count: int = 1


@dataclasses.dataclass
class Answer:
    yes: bool


class BrokenError(OSError):
    pass


def echo(data):
    return data


async def echo_async(data):
    await asyncio.sleep(0)  # noqa: TID251 - the point is that it awaits
    return data


def typed(order: Order):
    return {"item": order.item, "count": order.count + 1}


def with_arguments(data, *words, mark="?"):
    return {"words": words, "mark": mark}


class Built:
    def __init__(self, factor, offset=0):
        self.factor, self.offset = factor, offset

    def execute(self, data):
        return data["n"] * self.factor + self.offset


class BuiltAsync:
    async def execute(self, data, ctx):
        return [ctx.step, data]


def make(factor):
    return Built(factor)


def of_context(data, ctx):
    return [ctx.pid, ctx.step, ctx.attempt, ctx.idempotency_key, ctx.data]


def where(data):
    return {"os_pid": os.getpid(), "thread": threading.get_ident()}


def tell(data, ctx):
    ctx.heartbeat()
    for done in range(1, 1001):
        ctx.progress(done, 1000, f"line {done}")


def fail(data):
    try:
        int("many")
    except ValueError as error:
        raise BrokenError("the pipe is broken") from error


def fail_for_good(data):
    raise Fatal("no")


def ask_for_time(data):
    raise RetryAfter(7)


def exit_(data):
    sys.exit(3)


def ask(data):
    return Interrupt({"n": 1}, schema=Answer, timeout=5, on_timeout={"yes": True})


def unstorable(data):
    return {"it": object()}


def too_large(data):
    return "x" * 10_000
