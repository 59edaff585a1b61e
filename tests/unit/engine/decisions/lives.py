"""Processes at a point of their life, without a manager, a store or a clock."""

from __future__ import annotations

import msgspec

from procactors._clock import to_datetime
from procactors.engine.decisions import taking
from procactors.errors import ErrorInfo
from procactors.executors.failure import Failure
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.retry import Retry
from procactors.model.step import Step
from procactors.stores._record import Record

NOW = 1_767_225_600.0
DATA = msgspec.Raw(b'{"n":1}')
FAILURE = Failure(ErrorInfo(type="OSError", message="away"), frozenset({"OSError"}))


async def first(data):
    return data


async def second(data):
    return data


TWO = Process("two", [first, second], timeout=100)
ONE = Process("one", [first], timeout=100)
ONCE = Process("once", [Step("first", first, at_most_once=True)])
RETRIED = Process("retried", [Step("first", first, retry=Retry(attempts=2, delay=4, jitter=False))])
UNDONE = Process("undone", [Step("first", first, undo=second), Step("second", second)], timeout=100)


def at(seconds=0.0):
    return to_datetime(NOW + seconds)


def queued(plan):
    return e.ProcessQueued(at=at(), name=plan.name, definition=plan.encoded, data=DATA)


def begun(plan):
    """Return the state of a process whose first step runs."""
    return taking.start(plan, queued(plan), "here", None).state


def record(plan, state, **more):
    fields = {
        "id": 1, "pid": "0" * 32, "name": plan.name, "key": None, "tags": (), "priority": 0,
        "parent_pid": None, "depth": 0, "owner": None, "owner_name": "there", "epoch": 1,
        "created_at": NOW, "progress": None, "data": DATA,
    }  # fmt: skip
    return Record(**{**fields, "plan": plan, "state": state, **more})


def kinds(decision):
    return [type(event).__name__ for event in decision.events]
