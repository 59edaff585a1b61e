"""Starting a process: checks, one insert, and what to do about a key that is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.engine.decisions import ending, taking
from procactors.engine.messages import Start, Write
from procactors.errors import InvalidDefinitionError, KeyConflictError
from procactors.model.definition import Process, plan_in
from procactors.model.event import ProcessQueued
from procactors.model.payload import EMPTY, encode
from procactors.model.sleep import LONGEST_S
from procactors.model.state import is_owned
from procactors.model.text import problem_of, shown
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.stores._record import Decision

_MOST_PRIORITY = 2**31 - 1
_REPLACED = "replaced by a new process with the same key"


class Kin(msgspec.Struct, frozen=True):
    """What a child inherits.

    Attributes:
        parent: The store's number of the process that starts it.
        identity: By which a repeated step finds it again; unique in the store.
    """

    parent_pid: str
    parent: int
    depth: int
    identity: str


class Order(msgspec.Struct, frozen=True):
    """What a user wants started; the fields are the parameters of `ProcessManager.start`."""

    process: Process
    data: Any
    key: str | None
    on_conflict: str = "return"
    key_scope: str = "kept"
    priority: int = 0
    delay: float | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    kin: Kin | None = None
    tx: Any = None

    def check(self) -> None:
        """Raise InvalidDefinitionError if an argument is wrong."""
        if not isinstance(self.process, Process):
            raise InvalidDefinitionError(f"start() takes a Process, not a {type(self.process).__name__}")
        if self.on_conflict not in ("return", "raise", "replace", "skip"):
            raise InvalidDefinitionError(
                f"on_conflict is return, raise, replace or skip, not {self.on_conflict!r}"
            )
        if self.key_scope not in ("kept", "active"):
            raise InvalidDefinitionError(f"key_scope is 'kept' or 'active', not {self.key_scope!r}")
        for what, text in (("key", self.key), ("group", self.group)):
            if text is not None and (problem := problem_of(text)):
                raise InvalidDefinitionError(f"{what} {problem}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        priority, delay = self.priority, self.delay
        if not isinstance(priority, int) or not -_MOST_PRIORITY <= priority <= _MOST_PRIORITY:
            raise InvalidDefinitionError(
                f"priority must be a whole number from {-_MOST_PRIORITY} to {_MOST_PRIORITY},"
                f" not {shown(priority)}"
            )
        if delay is None:
            return
        if not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_S:
            raise InvalidDefinitionError(
                f"delay must be 0 seconds or more, at most {LONGEST_S:g}, not {shown(delay)}"
            )


def tags_in(tags: Any) -> tuple[str, ...]:
    """Return the tags of a process.

    Raises:
        InvalidDefinitionError: They are not a list of strings, or one can't be stored.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise InvalidDefinitionError(f"tags must be a list of strings, not {shown(tags)}")
    several = tuple(tags)
    for tag in several:
        if problem := problem_of(tag):
            raise InvalidDefinitionError(f"a tag {problem}")
    return several


async def start(room: Room, order: Order) -> str | None:
    """Store a new process, running at once if a slot is free; return its pid, or that of the key's holder.

    Returns:
        None if the key is taken and that is to be passed over.
    """
    plan, data = _checked(room, order)
    outcome = await _store(room, order, plan, data)
    if type(outcome) is b.Written:
        return outcome.pid
    if order.on_conflict == "raise":
        raise KeyConflictError(
            f"key {order.key!r} is taken by process {outcome.pid}; use on_conflict='return' to get that one",
            pid=outcome.pid,
        )
    pid: str | None = outcome.pid if order.on_conflict == "return" else None
    return pid


async def start_child(room: Room, process: Process, data: Any, kin: Kin, key: str | None) -> str:
    """Store a child, or find the one of that identity; return its pid."""
    pid = await start(room, Order(process, data, key, kin=kin))
    assert pid is not None
    return pid


def queued(room: Room, order: Order) -> b.Insert:
    """Return the operation that stores a new process, queued, in anybody's transaction.

    Raises:
        ProcactorsError: As for `start`, if something is wrong with the order.
    """
    plan, data = _checked(room, order)
    decision = taking.start(plan, _queued(room, order, plan, data), None, order.delay)
    return _insert(order, room.ids.pid(), plan, decision, None)


def _checked(room: Room, order: Order) -> tuple[Process, msgspec.Raw]:
    """Return the plan and the input of an order, if nothing is wrong with it."""
    order.check()
    plan = plan_in(bytes(order.process.encoded))
    if room.runs and room.catalog.check(plan):
        room.look_again()  # processes were passed over for a step that this program did not know until now
    data = EMPTY
    if order.data is not None:
        data = encode(order.data, room.options.payload_limit_bytes, "the input of the process")
    return plan, data


def _queued(room: Room, order: Order, plan: Process, data: msgspec.Raw) -> ProcessQueued:
    return ProcessQueued(
        at=room.at(),
        name=plan.name,
        definition=order.process.encoded,
        data=data,
        key=order.key,
        tags=order.tags,
        priority=order.priority,
        parent_pid=order.kin.parent_pid if order.kin else None,
        depth=order.kin.depth if order.kin else 0,
        group=order.group,
        trace=room.observer.trace_context(),
    )


async def _store(room: Room, order: Order, plan: Process, data: msgspec.Raw) -> Any:
    pid = room.ids.pid()
    event = _queued(room, order, plan, data)
    if order.tx is not None:
        decision = taking.start(plan, event, None, order.delay)
        insert = _insert(order, pid, plan, decision, None)
        return await room.store.insert_within(order.tx, insert, room.member)
    is_direct = room.runs and not order.delay and not plan.limits and order.on_conflict != "replace"
    if is_direct and room.has_slot():
        decision = taking.start(plan, event, room.name, None)
        if not is_owned(decision.state):
            return await _store_free(room, order, _insert(order, pid, plan, decision, None))
        outcome = await room.supervisor.ask(
            Start(_insert(order, pid, plan, decision, room.member.id)), timeout=None
        )
        if outcome is not None:
            return outcome
    decision = taking.start(plan, event, None, order.delay)
    return await _store_free(room, order, _insert(order, pid, plan, decision, None))


async def _store_free(room: Room, order: Order, insert: b.Insert) -> Any:
    outcome = await room.persistence.ask(Write(insert, room.patience()), timeout=None)
    if order.on_conflict == "replace":
        room.look_for_news()  # the holder of the key may run here, and has to hear that it is cancelled
    if order.delay:
        room.look_again()
    else:
        room.note_queued()
    return outcome


def _insert(order: Order, pid: str, plan: Process, decision: Decision, owner: int | None) -> b.Insert:
    return b.Insert(
        pid=pid,
        decision=decision,
        plan=plan,
        owner=owner,
        key=order.key,
        key_scope=order.key_scope,
        tags=order.tags,
        priority=order.priority,
        group=order.group,
        parent=order.kin.parent if order.kin else None,
        depth=order.kin.depth if order.kin else 0,
        identity=order.kin.identity if order.kin else None,
        replaces=order.on_conflict == "replace",
        cancel=ending.cancel(_REPLACED),
    )
