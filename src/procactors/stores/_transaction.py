"""The operations of a batch, as work inside one transaction of any database.

Appends and new processes, which are nearly everything in a busy system, are written together, as few
large statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import SLACK_S
from procactors.errors import KeyConflictError, ProcactorsError
from procactors.stores import _admitting, _pausing, _turns
from procactors.stores import _batch as b
from procactors.stores._reading import pass_over, record, records
from procactors.stores._selecting import selected
from procactors.stores._selections import OwnedBy
from procactors.stores._talk import Call, Many, One
from procactors.stores._writing import Write, insert_all, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from procactors.stores._record import Decision, Record
    from procactors.stores._talk import Talk


class Transaction:
    """Does batches; a store's dialect may do some of it in a way of its own."""

    def __init__(self, ageing_s: float) -> None:
        """Let a point of priority be worth `ageing_s` seconds of waiting."""
        self._ageing_s = ageing_s
        self.unreadable: dict[type, dict[str, str]] = {}
        """Processes that the last sweeps of each kind could not read, and why."""
        self._do: dict[type, Callable[[Any, float], Talk[b.Outcome]]] = {
            b.Insert: self._insert,
            b.Change: self._change,
            b.Sweep: self._sweep,
            b.SaveProgress: self._save_progress,
            b.Leave: self._leave,
            b.Answer: self._answer,
            b.Forget: self._forget,
            b.Purge: self._purge,
            b.Pause: lambda operation, now: _pausing.pause(operation.name, now),
            b.Resume: self._resume,
            _turns.BeginTurn: _turns.begin,
            _turns.EndTurn: lambda operation, _: _turns.end(operation),
            b.Place: self._place,
        }

    def batch(self, operations: Sequence[b.Operation], now: float) -> Talk[list[b.Outcome]]:
        """Do all of it; the outcomes stand in the order of the operations."""
        appends = [op for op in operations if type(op) is b.Append]
        inserts = [op for op in operations if _is_simple(op)]
        appended = iter((yield from self._append_all(appends, now)) if appends else ())
        inserted = iter((yield from self._insert_all(inserts, now)) if inserts else ())
        outcomes: list[b.Outcome] = []
        for operation in operations:
            if type(operation) is b.Append:
                outcomes.append(next(appended))
            elif _is_simple(operation):
                outcomes.append(next(inserted))
            else:
                outcomes.append((yield from self._other(operation, now)))
        return outcomes

    def _other(self, operation: b.Operation, now: float) -> Talk[b.Outcome]:
        try:
            return (yield from self._do[type(operation)](operation, now))
        except ProcactorsError as refusal:
            return refusal

    # Appends.

    def _append_all(self, appends: Sequence[b.Append], now: float) -> Talk[list[b.Outcome]]:
        refused = yield from self._refused(appends)
        for append in appends:
            if append.guests and append.process not in refused and (rows := (yield Call(append.guests))):
                refused[append.process] = b.GuestFailed(rows[0][0])
        allowed = [append for append in appends if append.process not in refused]
        done = [command for append in allowed for command in append.commands]
        if done:
            yield One("delete_commands", (done,))
        writes = [Write.of_append(append) for append in allowed]
        written = yield from write_all(writes, now, self._ageing_s)
        outcomes = iter((yield from self._with_new(allowed, written, now)))
        return [refused.get(append.process) or next(outcomes) for append in appends]

    def _with_new(
        self, appends: Sequence[b.Append], written: list[b.Written], now: float
    ) -> Talk[list[b.Written]]:
        """Store the new processes that appends bring along."""
        brings = [(new, None) for append in appends for new in append.brings]
        if not brings:
            return written
        stored = iter((yield from insert_all(brings, now, self._ageing_s)))
        return [
            msgspec.structs.replace(done, brought=tuple(next(stored) for _ in append.brings))
            for append, done in zip(appends, written, strict=True)
        ]

    def _refused(self, appends: Sequence[b.Append]) -> Talk[dict[int, b.Outcome]]:
        answers = yield Many("fence", [(append.process, append.epoch) for append in appends])
        refused: dict[int, b.Outcome] = {}
        if sum(fresh for fresh, _ in answers) != len(appends):
            refused.update((yield from _stale(appends)))
        if answers[-1][1]:
            refused.update((yield from _with_commands(appends)))
        return refused

    # New processes.

    def _insert_all(self, inserts: Sequence[Any], now: float) -> Talk[list[b.Outcome]]:
        held = yield from _pausing.held(inserts)
        allowed = [insert for insert in inserts if insert.pid not in held] if held else inserts
        yield from _admitting.note_limits(allowed)
        pairs = [(insert, None) for insert in allowed]
        written = iter((yield from insert_all(pairs, now, self._ageing_s)) if pairs else ())
        return [None if insert.pid in held else next(written) for insert in inserts]

    def _insert(self, operation: b.Insert, now: float) -> Talk[b.Outcome]:
        """Store a process with a key."""
        behind, replaced = None, None
        holder = yield from self._key_holder(operation.unique)
        if holder is not None and not operation.replaces:
            return b.KeyTaken(holder.pid)
        if (yield from _pausing.held([operation])):
            return None
        if holder is not None:
            behind, replaced = yield from self._replace(holder, operation, now)
        yield from _admitting.note_limits([operation])
        written = (yield from insert_all([(operation, behind)], now, self._ageing_s))[0]
        return written if replaced is None else msgspec.structs.replace(written, replaced=replaced)

    def _key_holder(self, key: str | None) -> Talk[Record | None]:
        found = yield One("key_holder", (key,))
        return (yield from record(found[0][0])) if found else None

    def _replace(
        self, holder: Record, operation: b.Insert, now: float
    ) -> Talk[tuple[int | None, b.Written | None]]:
        """Take the key from its holder; return whose end is to be waited for, and what was written."""
        yield One("give_up_key", (holder.pid,))
        replaced = None
        if not holder.state.status.is_ended:
            assert operation.cancel is not None
            change = b.Change(holder.pid, operation.cancel, if_owned=("cancel", b'{"reason":"replaced"}'))
            outcome = yield from self._decide_on(change, now)
            if isinstance(outcome, b.Owned):
                return holder.id, None
            replaced = outcome if isinstance(outcome, b.Written) else None
        behind = (yield One("behind", (holder.id,)))[0][0]
        return behind, replaced

    # Free processes.

    def _change(self, operation: b.Change, now: float) -> Talk[b.Outcome]:
        outcome = yield from self._decide_on(operation, now)
        if isinstance(outcome, b.Written) and outcome.state.ended_at:
            yield One("hand_key_back", (outcome.process,))
        return outcome

    def _decide_on(self, operation: b.Change, now: float) -> Talk[b.Outcome]:
        found = yield from record(operation.pid)
        if found is None:
            return None
        if found.owner is not None and operation.if_owned is not None:
            return b.Owned(found, (yield from _command(found.id, *operation.if_owned, now)))
        if found.owner is not None:
            return b.Owned(found, None)
        decision = operation.decide(found, now)
        if decision is None:
            return b.Unchanged(found)
        is_back = found.state.status.is_ended and not decision.state.ended_at
        # A child's key counts within its parent's step only.
        if is_back and found.key is not None and found.parent_pid is None:
            yield from self._take_key_again(found.pid, found.key)
        write = Write.of_record(found, decision, operation.take_as)
        return (yield from write_all([write], now, self._ageing_s))[0]

    def _take_key_again(self, pid: str, key: str) -> Talk[None]:
        """Let a process that comes back to life hold its key; refuse if another one does by now."""
        holder = yield from self._key_holder(key)
        if holder is None:
            yield One("take_key", (key, pid))
        elif holder.pid != pid:
            raise KeyConflictError(
                f"the key {key!r} of process {pid} is held by process {holder.pid} now", pid=holder.pid
            )

    def _sweep(self, operation: b.Sweep, now: float) -> Talk[list[b.Swept]]:
        found, bad = yield from selected(operation.selection, operation.limit, now)
        kept = []
        for one in found:
            try:
                decision = operation.decide(one, now)
            except Exception as error:  # noqa: BLE001 - a state that can't be: it is to hinder no other
                bad[one.pid] = pass_over(one.pid, repr(error))
            else:
                kept += [] if decision is None else [(one, decision)]
        kind = type(operation.selection)
        is_all = len(found) < operation.limit  # what was not seen may be as it was, or gone
        self.unreadable[kind] = bad if is_all else self.unreadable.get(kind, {}) | bad
        writes = [Write.of_record(one, decision, operation.take_as) for one, decision in kept]
        written = yield from write_all(writes, now, self._ageing_s)
        yield from _forget_cancels(kept)
        if operation.take_as is not None:
            yield from _admitting.note_starts(kept, now)
        match operation.selection:
            case OwnedBy(manager, True) if len(found) < operation.limit:
                yield One("unregister_managers", ([manager],))
        return [b.Swept(one, done) for (one, _), done in zip(kept, written, strict=True)]

    # Queues.

    def _resume(self, operation: b.Resume, now: float) -> Talk[list[b.Swept]]:
        stood_still = yield from _pausing.resume(operation.name, now)
        found = (yield from records("records_by_id", list(stood_still))) if stood_still else []
        decided = [(one, operation.extend(one, now, stood_still[one.id])) for one in found]
        writes = [Write.of_record(one, decision, None) for one, decision in decided]
        written = yield from write_all(writes, now, self._ageing_s)
        return [b.Swept(one, done) for one, done in zip(found, written, strict=True)]

    def _place(self, operation: b.Place, _now: float) -> Talk[bool]:
        talk = _admitting.take_place if operation.wants else _admitting.give_place
        return talk(operation.process)

    # Small ones.

    def _save_progress(self, operation: b.SaveProgress, _now: float) -> Talk[bool]:
        values = (operation.progress, operation.process, operation.epoch, operation.seq)
        return bool((yield One("save_progress", values)))

    def _leave(self, operation: b.Leave, now: float) -> Talk[int | None]:
        found = yield from record(operation.pid)
        if found is None:
            return None
        return (yield from _command(found.id, operation.kind, operation.body, now))

    def _answer(self, operation: b.Answer, _now: float) -> Talk[None]:
        yield One("answer_command", (operation.outcome, operation.command))

    def _forget(self, operation: b.Forget, _now: float) -> Talk[None]:
        yield One("delete_commands", (list(operation.commands),))

    def _purge(self, operation: b.Purge, now: float) -> Talk[int]:
        values = (operation.ended_before, now + SLACK_S, operation.limit)
        ids = [row[0] for row in (yield One("ended_before", values))]
        if ids:
            yield One("give_up_children", (ids,))
            yield One("note_position_gone", (ids,))
            yield One("delete_processes", (ids,))
        if len(ids) < operation.limit:
            yield from _pausing.forget_idle(now)
        return len(ids)


def _is_simple(operation: b.Operation) -> bool:
    """Tell whether it is a new process that nothing in the store can refuse."""
    return type(operation) is b.Insert and operation.unique is None


def _stale(appends: Sequence[b.Append]) -> Talk[dict[int, b.Outcome]]:
    epochs = dict((yield One("epochs", ([append.process for append in appends],))))
    return {
        append.process: b.Stale(append.pid, epochs.get(append.process))
        for append in appends
        if epochs.get(append.process) != append.epoch
    }


def _with_commands(appends: Sequence[b.Append]) -> Talk[dict[int, b.Outcome]]:
    waiting: dict[int, list[b.Command]] = {}
    rows = yield One("pending_commands", ([append.process for append in appends],))
    for process, number, kind, body in rows:
        waiting.setdefault(process, []).append(b.Command(number, process, kind, body.encode()))
    return {
        append.process: b.CommandsWaiting(tuple(waiting[append.process]))
        for append in appends
        if any(command.id not in append.commands for command in waiting.get(append.process, ()))
    }


def _forget_cancels(decided: Sequence[tuple[Record, Decision]]) -> Talk[None]:
    """Delete the cancels of processes that have ended, or will: they must not come again."""
    settled = [
        record.id
        for record, decision in decided
        if record.cancel_reason is not None and (decision.state.ended_at or decision.state.undo is not None)
    ]
    if settled:
        yield One("delete_cancels", (settled,))


def _command(process: int, kind: str, body: bytes, now: float) -> Talk[int]:
    number: int = (yield One("insert_command", (process, kind, body.decode(), now)))[0][0]
    return number
