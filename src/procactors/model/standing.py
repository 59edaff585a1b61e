"""How a manager is doing, for those who restart it, send it work, or want to know who is there."""

from __future__ import annotations

from datetime import datetime

import msgspec

from procactors.model.status import ProcessStatus


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a manager works, for whoever restarts it or sends it work.

    Attributes:
        is_live: False: its engine has ended with an error, and only a restart helps. A store that does not
            answer is no reason for a restart.
        is_ready: It is open, is not closing, and its store has answered within a lease's time, and does not
            refuse all that is written.
        reason: Why it is not live or not ready, for people; "" if it is.
        warnings: What is wrong though it works, for people: what the store refuses to write while it writes
            the rest, and processes that can't be read.
    """

    is_live: bool
    is_ready: bool
    reason: str = ""
    warnings: tuple[str, ...] = ()


class RunningProcess(msgspec.Struct, frozen=True):
    """A process that a manager has in hand.

    Attributes:
        pid: Its pid.
        name: The name of its definition.
        status: Its status: running, or waiting for a child, cancelling, undoing.
    """

    pid: str
    name: str
    status: ProcessStatus


class ManagerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A manager or client on a store, and what it runs.

    Attributes:
        name: Its name, as a process's `owner` shows it.
        kind: "manager" runs processes, "client" does not.
        host: Its host.
        os_pid: The number of its OS process.
        registered_at: Since when it is there.
        is_alive: Whether it is still there, as far as can be seen from here.
        running: How many processes it has in hand.
        processes: The first of them, the oldest first.
    """

    name: str
    kind: str
    host: str
    os_pid: int
    registered_at: datetime
    is_alive: bool
    running: int = 0
    processes: tuple[RunningProcess, ...] = ()
