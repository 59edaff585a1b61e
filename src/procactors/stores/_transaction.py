"""The operations of a batch as SQL on one sqlite3 connection, inside one transaction.

Plain and synchronous: `SqliteStore` runs it in its writer's thread, `MemoryStore` in the event loop.
Appends, which are nearly everything in a busy system, are written together, as few large statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import SLACK_S
from procactors.errors import KeyConflictError, ProcactorsError
from procactors.model.event import encode_body
from procactors.model.state import next_call
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b
from procactors.stores._queries import queries_of
from procactors.stores._reading import read_records

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

_sql = queries_of("sqlite")
_encode = msgspec.json.Encoder().encode
_CLAIMABLE = (ProcessStatus.QUEUED, ProcessStatus.SLEEPING, ProcessStatus.BLOCKED)


class Transaction:
    """Runs batches on one connection."""

    def __init__(self, connection: sqlite3.Connection, ageing_s: float) -> None:
        """Use `connection`; a point of priority is worth `ageing_s` seconds of waiting."""
        self._connection = connection
        self._ageing_s = ageing_s
        self._do: dict[type, Callable[[Any, float], b.Outcome]] = {
            b.Insert: self._insert,
            b.Change: self._change,
            b.Sweep: self._sweep,
            b.SaveProgress: self._save_progress,
            b.Leave: self._leave,
            b.Answer: self._answer,
            b.Forget: self._forget,
            b.Purge: self._purge,
        }

    def run(self, operations: Sequence[b.Operation], now: float) -> list[b.Outcome]:
        """Do all of it, or on an error of the database nothing."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            outcomes = self._run_all(operations, now)
            execute("COMMIT")  # on a full disk this may fail, too, and the transaction be open still
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return outcomes

    def _run_all(self, operations: Sequence[b.Operation], now: float) -> list[b.Outcome]:
        appends = [operation for operation in operations if type(operation) is b.Append]
        appended = iter(self._append_all(appends, now) if appends else ())
        outcomes: list[b.Outcome] = []
        for operation in operations:
            if type(operation) is b.Append:
                outcomes.append(next(appended))
                continue
            try:
                outcomes.append(self._do[type(operation)](operation, now))
            except ProcactorsError as refusal:
                outcomes.append(refusal)
        return outcomes

    # Writing events and snapshots.

    def _write(self, writes: Sequence[_Write], now: float, *, are_new: bool = False) -> list[b.Written]:
        rows = [
            (write.process, seq, getattr(event, "payload_seq", None) or None, encode_body(event))
            for write in writes
            for seq, event in enumerate(write.decision.events, write.first_seq)
        ]
        position = self._execute_rows("insert_events", rows) - len(rows) + 1
        if not are_new:
            updates = [(write.process, *write.columns(self._ageing_s)) for write in writes]
            self._execute_rows("update_processes", updates)
        ended = [write.process for write in writes if write.decision.state.ended_at]
        lets_start = bool(ended) and self._let_go(ended, now)
        written = []
        for write in writes:
            written.append(write.outcome(position, lets_start=lets_start))
            position += len(write.decision.events)
        return written

    def _execute_rows(self, name: str, rows: Sequence[Sequence[Any]]) -> int:
        last = 0
        for statement, values in _sql.chunks(name, rows):
            last = self._connection.execute(statement, values).lastrowid or 0
        return last

    def _let_go(self, ended: list[int], now: float) -> bool:
        """Give up what ended processes hold: active keys, and the place before those behind them.

        Returns:
            Whether there was any behind them.
        """
        ids = _ids(ended)
        self._connection.execute(_sql["give_up_active_keys"], (ids,))
        values = (now, self._ageing_s, ids)
        return self._connection.execute(_sql["release_those_behind"], values).rowcount > 0

    # Appends.

    def _append_all(self, appends: Sequence[b.Append], now: float) -> list[b.Outcome]:
        refused = self._refused(appends)
        allowed = [append for append in appends if append.process not in refused]
        writes = [_Write.of_append(append) for append in allowed]
        done = [command for append in allowed for command in append.commands]
        if done:
            self._forget(b.Forget(tuple(done)), now)
        written = iter(self._write(writes, now) if writes else ())
        return [refused.get(append.process) or next(written) for append in appends]

    def _refused(self, appends: Sequence[b.Append]) -> dict[int, b.Outcome]:
        fresh, has_commands = 0, 0
        for statement, values in _sql.chunks("fence", [(a.process, a.epoch) for a in appends]):
            count, has_commands = self._connection.execute(statement, values).fetchone()
            fresh += count
        refused: dict[int, b.Outcome] = {}
        if fresh != len(appends):
            refused.update(self._stale(appends))
        if has_commands:
            refused.update(self._with_commands(appends))
        return refused

    def _stale(self, appends: Sequence[b.Append]) -> dict[int, b.Outcome]:
        ids = _ids(append.process for append in appends)
        epochs = dict(self._connection.execute(_sql["epochs"], (ids,)).fetchall())
        return {
            append.process: b.Stale(append.pid, epochs.get(append.process))
            for append in appends
            if epochs.get(append.process) != append.epoch
        }

    def _with_commands(self, appends: Sequence[b.Append]) -> dict[int, b.Outcome]:
        ids = _ids(append.process for append in appends)
        waiting: dict[int, list[b.Command]] = {}
        for process, number, kind, body in self._connection.execute(_sql["pending_commands"], (ids,)):
            waiting.setdefault(process, []).append(b.Command(number, process, kind, body))
        return {
            append.process: b.CommandsWaiting(tuple(waiting[append.process]))
            for append in appends
            if any(command.id not in append.commands for command in waiting.get(append.process, ()))
        }

    # The other operations.

    def _insert(self, operation: b.Insert, now: float) -> b.Outcome:
        behind, replaced = None, None
        if operation.key is not None:
            holder = self._key_holder(operation.key)
            if holder is not None and not operation.replaces:
                return b.KeyTaken(holder.pid)
            if holder is not None:
                behind, replaced = self._replace(holder, operation, now)
        new = _Write(
            0, operation.pid, 1, operation.decision, operation.owner,
            next_call(operation.decision.state, operation.plan), operation.priority,
        )  # fmt: skip
        status, owner, epoch, due_at, expires_at, rank, call, ended_at, state = new.columns(self._ageing_s)
        if behind is not None:
            due_at = rank = None
        values = (
            operation.pid, operation.plan.name, operation.key, operation.key, operation.key_scope,
            _encode(operation.tags), operation.priority, operation.parent, operation.depth, behind,
            status, owner, epoch, due_at, expires_at, rank, call,
            operation.decision.events[0].at.timestamp(), ended_at, state,
        )  # fmt: skip
        process = self._connection.execute(_sql.repeated("insert_processes", 1), values).lastrowid
        written = self._write([msgspec.structs.replace(new, process=process)], now, are_new=True)[0]
        return written if replaced is None else msgspec.structs.replace(written, replaced=replaced)

    def _key_holder(self, key: str) -> b.Record | None:
        row = self._connection.execute(_sql["key_holder"], (key,)).fetchone()
        return None if row is None else self._record(row[0])

    def _replace(
        self, holder: b.Record, operation: b.Insert, now: float
    ) -> tuple[int | None, b.Written | None]:
        """Take the key away from its holder; return whose end is to be waited for, and what was written."""
        self._connection.execute(_sql["give_up_key"], (holder.pid,))
        replaced = None
        if not holder.state.status.is_ended:
            assert operation.cancel is not None
            change = b.Change(holder.pid, operation.cancel, if_owned=("cancel", b'{"reason":"replaced"}'))
            outcome = self._change(change, now)
            if isinstance(outcome, b.Owned):
                return holder.id, None
            replaced = outcome if isinstance(outcome, b.Written) else None
        behind: int | None = self._connection.execute(_sql["behind"], (holder.id,)).fetchone()[0]
        return behind, replaced

    def _change(self, operation: b.Change, now: float) -> b.Outcome:
        record = self._record(operation.pid)
        if record is None:
            return None
        if record.owner is not None and operation.if_owned is not None:
            leave = b.Leave(operation.pid, *operation.if_owned)
            return b.Owned(record, self._leave(leave, now))
        if record.owner is not None:
            return b.Owned(record, None)
        decision = operation.decide(record, now)
        if decision is None:
            return b.Unchanged(record)
        if record.key is not None and record.state.status.is_ended and not decision.state.ended_at:
            self._take_key_again(record.pid, record.key)
        return self._write([_Write.of_record(record, decision, operation.take_as)], now)[0]

    def _take_key_again(self, pid: str, key: str) -> None:
        """Let a process that comes back to life hold its key; refuse if another one does by now."""
        holder = self._key_holder(key)
        if holder is None:
            self._connection.execute(_sql["take_key"], (key, pid))
        elif holder.pid != pid:
            raise KeyConflictError(
                f"the key {key!r} of process {pid} is held by process {holder.pid} now", pid=holder.pid
            )

    def _sweep(self, operation: b.Sweep, now: float) -> list[b.Swept]:
        records = self._records("records_by_id", _ids(self._selected(operation, now)))
        decided = [(record, operation.decide(record, now)) for record in records]
        kept = [(record, decision) for record, decision in decided if decision is not None]
        writes = [_Write.of_record(record, decision, operation.take_as) for record, decision in kept]
        written = self._write(writes, now) if writes else []
        match operation.selection:
            case b.OwnedBy(manager, True) if len(records) < operation.limit:
                self._connection.execute(_sql["unregister_managers"], (_ids([manager]),))
        return [b.Swept(record, done) for (record, _), done in zip(kept, written, strict=True)]

    def _selected(self, operation: b.Sweep, now: float) -> list[int]:
        name: str
        values: tuple[Any, ...]
        match operation.selection:
            case b.Due(passes_over):
                name, values = "due", (now + SLACK_S, _ids(passes_over))
            case b.Expired():
                name, values = "expired", (now + SLACK_S,)
            case b.Stranded(before, calls):
                name, values = "stranded", (before, _ids(calls))
            case b.OwnedBy(manager):
                name, values = "owned_by", (manager,)
            case b.Orphaned():
                name, values = "orphans", ()
        values = (*values, operation.limit)
        return [row[0] for row in self._connection.execute(_sql[name], values)]

    def _record(self, pid: str) -> b.Record | None:
        found = self._records("records_by_pid", pid)
        return found[0] if found else None

    def _records(self, where: str, value: Any) -> list[b.Record]:
        return read_records(self._connection, where, (value,))

    def _save_progress(self, operation: b.SaveProgress, _now: float) -> bool:
        values = (operation.progress, operation.process, operation.epoch, operation.seq)
        return self._connection.execute(_sql["save_progress"], values).rowcount == 1

    def _leave(self, operation: b.Leave, now: float) -> int | None:
        record = self._record(operation.pid)
        if record is None:
            return None
        values = (record.id, operation.kind, operation.body.decode(), now)
        return self._connection.execute(_sql["insert_command"], values).lastrowid

    def _answer(self, operation: b.Answer, _now: float) -> None:
        self._connection.execute(_sql["answer_command"], (operation.outcome, operation.command))

    def _forget(self, operation: b.Forget, _now: float) -> None:
        self._connection.execute(_sql["delete_commands"], (_ids(operation.commands),))

    def _purge(self, operation: b.Purge, _now: float) -> int:
        values = (operation.ended_before, operation.limit)
        ids = [row[0] for row in self._connection.execute(_sql["ended_before"], values)]
        if ids:
            self._connection.execute(_sql["note_position_gone"], (_ids(ids),))
            self._connection.execute(_sql["delete_processes"], (_ids(ids),))
        return len(ids)


class _Write(msgspec.Struct, frozen=True):
    """A decision on its way into the tables."""

    process: int
    pid: str
    epoch: int
    decision: b.Decision
    owner: int | None
    call: str | None
    priority: int

    @classmethod
    def of_append(cls, op: b.Append) -> _Write:
        return cls(op.process, op.pid, op.epoch, op.decision, op.owner, op.call, op.priority)

    @classmethod
    def of_record(cls, record: b.Record, decision: b.Decision, take_as: int | None) -> _Write:
        """A decision on a free process; whatever it is, it fences off who owned the process before."""
        state = decision.state
        owner = take_as if state.status is ProcessStatus.RUNNING else None
        call = next_call(state, record.plan)
        return cls(record.id, record.pid, record.epoch + 1, decision, owner, call, record.priority)

    @property
    def first_seq(self) -> int:
        return self.decision.state.seq - len(self.decision.events) + 1

    def columns(self, ageing_s: float) -> tuple[Any, ...]:
        """Return what follows from the state, in the order of the query update_processes."""
        state = self.decision.state
        due_at = expires_at = rank = None
        if self.owner is None and state.status in _CLAIMABLE:
            due_at, expires_at = state.due_at, state.deadline_at
            rank = None if due_at is None else due_at - self.priority * ageing_s
        elif self.owner is None and state.status is ProcessStatus.INTERRUPTED:
            expires_at = state.due_at
        moments = (due_at, expires_at, rank, self.call, state.ended_at or None)
        return (state.status.value, self.owner, self.epoch, *moments, _encode(state))

    def outcome(self, position: int, *, lets_start: bool) -> b.Written:
        done = self.decision
        return b.Written(self.process, self.pid, self.epoch, done.events, done.state, position, lets_start)


def _ids(values: Iterable[Any]) -> str:
    """Return values as SQLite's json_each takes them."""
    return _encode(list(values)).decode()
