"""The part of the public face that needs the engine or the events: loaded when it is asked for.

A module of steps says `from procactors import step`; an OS process that only runs steps pays for neither an
event loop nor a store by that.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_NAMES_BY_MODULE = {
    "procactors.engine.inplace": ("run_steps",),
    "procactors.engine.subscription": ("EventStream",),
    "procactors.handle": ("ProcessHandle",),
    "procactors.manager": ("ProcessManager",),
    "procactors.model.event": (
        "DeadlineExtended",
        "DeferredUpdateFailed",
        "ProcessBlocked",
        "ProcessCancelRequested",
        "ProcessCancelled",
        "ProcessEvent",
        "ProcessFailed",
        "ProcessFinished",
        "ProcessInterrupted",
        "ProcessProceeded",
        "ProcessQueued",
        "ProcessRecovered",
        "ProcessReleased",
        "ProcessResumed",
        "ProcessRetried",
        "ProcessRewound",
        "ProcessSleeping",
        "ProcessStarted",
        "ProcessTimedOut",
        "ProcessUndoing",
        "ProcessWaiting",
        "StepFailed",
        "StepFinished",
        "StepProgressed",
        "StepRetryScheduled",
        "StepSkipped",
        "StepStarted",
        "UndoFailed",
        "UndoFinished",
        "UndoStarted",
    ),
    "procactors.model.plugin": ("Plugin",),
    "procactors.model.standing": ("Health", "ManagerInfo", "RunningProcess"),
    "procactors.model.info": (
        "InterruptInfo",
        "ProcessInfo",
        "QueueInfo",
        "Progress",
    ),
}
_HOMES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return what the root package hands on under this name."""
    if name == "__all__":  # for `from procactors import *`
        return [name for name in __dir__() if name[0] != "_"]
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'procactors' has no attribute {name!r}", name=name)
    value = getattr(import_module(home), name)
    setattr(sys.modules["procactors"], name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*vars(sys.modules["procactors"]), *_HOMES})
