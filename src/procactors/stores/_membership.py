"""Managers and clients: their rows, as talks with any database; who of them is alive."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from procactors.model.standing import RunningProcess
from procactors.model.status import ProcessStatus
from procactors.stores._store import Identity, InHand, Member
from procactors.stores._talk import One

if TYPE_CHECKING:
    from procactors.stores._talk import Talk

_STATUSES = frozenset(status.value for status in ProcessStatus)


def register(identity: Identity, now: float, lease_s: float) -> Talk[Member]:
    """Add a row and return it."""
    values = (*msgspec.structs.astuple(identity), now, now + lease_s)
    number = (yield One("register_manager", values))[0][0]
    return Member(number, identity, now, now + lease_s)


def renew(member: Member, until: float) -> Talk[bool]:
    """Let a lease last until then. False: the row was gone, and is written again."""
    if (yield One("renew_lease", (until, member.id))):
        return True
    identity = msgspec.structs.astuple(member.identity)
    yield One("register_again", (member.id, *identity, member.registered_at, until))
    return False


def unregister(member: int) -> Talk[None]:
    """Remove a row."""
    yield One("unregister_managers", ([member],))


def members() -> Talk[list[Member]]:
    """Return all rows."""
    return [
        Member(number, Identity(*identity), registered_at, lease_until)
        for number, *identity, registered_at, lease_until in (yield One("managers"))
    ]


def running(limit: int) -> Talk[dict[int, InHand]]:
    """Return what each owner has in hand, by its number: how many, and the first `limit` of them."""
    found: dict[int, InHand] = {}
    for owner, count, pid, name, status in (yield One("running", (max(1, limit),))):
        before = found[owner].processes if owner in found else ()
        shown = [RunningProcess(pid, name, ProcessStatus(status))] if status in _STATUSES else []
        processes = (*before, *shown)
        found[owner] = InHand(count, processes[: max(0, limit)])
    return found


def this_process(name: str, kind: str) -> Identity:
    """Return the identity of a manager or client in this OS process."""
    os_pid = os.getpid()
    return Identity(
        name=name,
        kind=kind,
        host=socket.gethostname(),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        pid_namespace=_link("/proc/self/ns/pid"),
        os_pid=os_pid,
        os_started=os_start(os_pid),
    )


def is_gone(member: Member, here: Identity, now: float) -> bool:
    """Tell whether a member is dead: its OS process is gone, or it let its lease run out.

    A member of the same kernel and pid namespace is looked up; its start time has to match too, as
    pids are reused. Of any other only the lease tells, by the store's clock.
    """
    other = member.identity
    is_local = other.boot_id == here.boot_id != "" and other.pid_namespace == here.pid_namespace != ""
    if is_local and os_start(other.os_pid) != other.os_started:
        return True
    return member.lease_until < now


def os_start(os_pid: int) -> str:
    """Return when an OS process started, in the kernel's own count; "" if there is none (or no /proc)."""
    stat = _text(f"/proc/{os_pid}/stat")
    fields = stat.rpartition(")")[2].split()
    if not fields or fields[0] in {"Z", "X"}:  # a zombie only waits for its parent
        return ""
    return fields[19]


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
