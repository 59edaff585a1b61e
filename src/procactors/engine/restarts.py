"""Going back by hand, as users want it: each verb is one transaction, on a process that nobody runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors.engine.control import change
from procactors.engine.decisions import returning, taking
from procactors.engine.messages import Write
from procactors.engine.reading import read, record_of
from procactors.model import event as e
from procactors.model.event_body import payload_in
from procactors.model.inputs import recorded_inputs
from procactors.model.payload import encode
from procactors.stores import _batch as b

if TYPE_CHECKING:
    import msgspec

    from procactors.engine.room import Room
    from procactors.model.event import ProcessEvent
    from procactors.stores._record import Decide, Record

_PAGE = 1000


async def retry(room: Room, pid: str) -> None:
    """Go on with a failed process from its failed step."""
    await _changed(room, pid, returning.retry, "only a process that failed or timed out can be retried")


async def skip(room: Room, pid: str, step: str) -> None:
    """Go on behind a step that failed, or that nobody can run."""
    rule = "only a step that failed, or that blocks its process, can be skipped"
    await _changed(room, pid, returning.skip(step), rule)


async def rewind(room: Room, pid: str, step: str) -> None:
    """Go back to a step and its recorded input."""
    while True:
        record = await record_of(room, pid)
        returning.check_step(record, step)
        inputs = recorded_inputs(await _history(room, record), record.plan)
        decision = returning.rewind(step, inputs, record.state.seq)
        if await _changed(room, pid, decision, "cancel it, or wait for its end, before you rewind it"):
            return


async def fork(room: Room, pid: str, step: str, data: Any) -> str:
    """Start a process with the same plan from a step on; return its pid."""
    record = await record_of(room, pid)
    returning.check_step(record, step)
    queued = e.ProcessQueued(
        at=room.at(),
        name=record.name,
        definition=record.plan.encoded,
        data=await _input(room, record, step, data),
        tags=record.tags,
        priority=record.priority,
        step=step,
        forked_from=pid,
        group=record.group,
        trace=room.observer.trace_context(),
    )
    insert = b.Insert(
        pid=room.ids.pid(),
        decision=taking.start(record.plan, queued, None, None),
        plan=record.plan,
        tags=record.tags,
        priority=record.priority,
        group=record.group,
    )
    await room.persistence.ask(Write(insert, room.patience()), timeout=None)
    room.look_again()
    return insert.pid


async def _changed(room: Room, pid: str, decision: Decide, rule: str) -> bool:
    """Change a free process; False if it was to be left as it is.

    Raises:
        InvalidStateError: A manager runs it.
    """
    outcome = await change(room, pid, decision)
    if type(outcome) is b.Owned:
        raise returning.wrong_status(outcome.record, rule)
    return type(outcome) is b.Written


async def _history(room: Room, record: Record) -> list[ProcessEvent]:
    """Return the events that the record folds."""
    events: list[ProcessEvent] = []
    last = 0
    while last < record.state.seq:
        page = await read(room, room.store.history, record.pid, last, _PAGE)
        if not page:
            break
        events += page
        last = page[-1].seq
    return [event for event in events if event.seq <= record.state.seq]


async def _input(room: Room, record: Record, step: str, data: Any) -> msgspec.Raw:
    if data is not None:
        return encode(data, room.options.payload_limit_bytes, "the input of the process")
    history = await _history(room, record)
    seq = returning.input_of(record, step, recorded_inputs(history, record.plan))
    found = next(event for event in history if event.seq == seq)
    return encode(payload_in(found), room.options.payload_limit_bytes, "the input of the process")
