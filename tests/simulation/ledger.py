"""The ledger: every commit, as it is in the store, and whether it may be so.

It is kept inside the commits, so that nothing can happen between a commit and a look at it.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import msgspec

from procactors import UnknownProcessError
from procactors.model.event_body import encode_body
from procactors.model.state import apply, is_owned
from procactors.stores import _reading
from procactors.stores._batch import Resume
from procactors.stores._on_sqlite import converse
from procactors.stores._talk import One
from tests.simulation.biography import Biography
from tests.simulation.cancels import Cancels
from tests.simulation.owners import Owners
from tests.simulation.plugin_turns import Turns
from tests.simulation.remains import Remains
from tests.simulation.slots import Slots

PAGE = 10_000


class Ledger:
    """All that was committed.

    Attributes:
        lives: The biographies, by pid, in the order of their beginnings.
        log: Process, number and kind of each event, in the order of their positions.
        trouble: What must not have happened, in words; empty if all is well.
    """

    def __init__(self, witness, max_running, keep_ended_s, on_trouble, watch=None):
        self.lives = {}
        self.log = []
        self.trouble = []
        self.commits = 0
        self.counts = Counter()
        self.errors = Counter()
        self.position = 0
        self._states = {}
        self._children = {}
        self._digest = hashlib.sha256()
        self._witness = witness
        self._slots = Slots(self, max_running)
        self._cancels = Cancels(self)
        self.owners = Owners(self)
        self.turns = Turns(self)
        self.remains = Remains(self, keep_ended_s)
        self.resumes = 0
        self._on_trouble = on_trouble
        self._watch = watch

    @property
    def digest(self):
        """A name of the whole history."""
        return self._digest.hexdigest()[:16]

    def heard(self, act, error):
        """Note what a user was told."""
        self.errors[f"{act}: {type(error).__name__}"] += 1
        if isinstance(error, UnknownProcessError) and not self.remains.explains_unknown(error.pid):
            self.complain(f"{act}: {error}")

    def note_abandoned(self, actor):
        """Note that a process's actor was left behind with its step: it needs no slot meanwhile."""
        self._slots.waive(actor.removeprefix("process-"))

    def complain(self, problem):
        """Note that something is as it must not be."""
        self.trouble.append(problem)
        self._on_trouble()

    def see(self, connection, line, operations, outcomes, now):
        """Look at what a commit has added, which came from a manager by its line; None: an application's."""
        self.commits += 1
        try:
            self.owners.check(line, operations, outcomes)
            self.turns.check(connection, line, operations, outcomes)
            self.remains.check(connection, operations, outcomes, now)
            self.resumes += any(isinstance(operation, Resume) for operation in operations)
            events, last = converse(connection, _reading.events_after(self.position, PAGE))
            for event in events:
                assert event.position == self.position + 1, f"position {event.position} after {self.position}"
                self.position = event.position
                self._note(event, line.member.id if line else 0)
            assert last == self.position
            for pid in {event.pid: None for event in events}:
                self._compare(converse(connection, _reading.record(pid)))
            self._cancels.check(connection, events)
            if events:
                self._slots.check(events)
        except AssertionError as error:
            self.complain(str(error))

    def _note(self, event, manager):
        kind = type(event).__name__
        self.counts[kind] += 1
        self.log.append((event.pid, event.seq, kind))
        self._digest.update(f"{event.pid} {event.seq} {event.position}".encode() + encode_body(event))
        life = self.lives.get(event.pid)
        try:
            if life is None:
                assert kind == "ProcessQueued", f"its history begins with {kind}"
                assert event.seq == 1, f"its history begins with number {event.seq}"
                life = self.lives[event.pid] = Biography(event)
                self._children[life.parent_pid, life.name, life.key] = life
            else:
                life.live(event)
                self.owners.check_ability(manager, life, kind)
                self._witness.check_end(life, event)
            state = self._states.get(event.pid)
            self._states[event.pid] = apply(state, event, life.plan)
            if self._watch is not None:
                self._watch(event, life, manager)
        except Exception as error:  # noqa: BLE001 - it is all told, and the run is over
            self.complain(f"{self.title(event.pid)}: {kind}: {type(error).__name__}: {error}")

    def title(self, pid):
        """Return what to call a process in a complaint."""
        life = self.lives.get(pid)
        return f"process {pid}" if life is None else f"process {pid} ({life.name})"

    def child_of(self, pid, name, key):
        """Return the newest child of a process, of that name and key; None: there is none."""
        return self._children.get((pid, name, key))

    def _compare(self, record):
        life, state = self.lives[record.pid], self._states[record.pid]
        title = self.title(record.pid)
        assert record.state == state, f"{title}: snapshot {record.state}, and its events fold into {state}"
        assert record.state.status.value == life.status, f"{title}: {record.state.status}, not {life.status}"
        assert record.state.in_step == life.in_step, f"{title}: in a step: {record.state.in_step}"
        assert (record.owner is not None) == is_owned(state) == life.is_owned, (
            f"{title}: owner {record.owner}"
        )
        if life.undo is None:
            data = msgspec.json.decode(record.data)
            assert data == life.data, f"{title}: its data is {data}, not {life.data}"
        life.owner = record.owner

    def alive(self):
        """Return those that have not ended."""
        return [life for life in self.lives.values() if not life.is_ended]

    def check_at_the_end(self, connection):
        """See that nothing is left over: no owner, no command, no manager."""
        for what, query in (("owned", "count_owned"), ("managers", "managers")):
            rows = converse(connection, _talk(One(query, (None,) if query == "count_owned" else ())))
            assert rows in ([], [(0,)]), f"{what} left over: {rows}"
        commands = connection.execute(
            "SELECT p.pid, c.kind, c.body, c.created_at"
            " FROM procactors_commands c JOIN procactors_processes p ON p.id = c.process"
        ).fetchall()
        assert not commands, f"commands left over: {commands}"
        self._check_rows(connection)
        self._check_durable_updates()

    def _check_rows(self, connection):
        """See that what was written with checkpoints is there once for each of them."""
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone() is None:
            return
        written = Counter()
        for pid, step in connection.execute("SELECT pid, step FROM rows"):
            written[pid, step] += 1
        wanted = Counter()
        for life in self.lives.values():
            wanted.update(
                {(life.pid, step): n for step, n in life.completed.items() if life.does(step, "writes")}
            )
        assert written == wanted, f"rows: {written - wanted} too many, {wanted - written} missing"

    def _check_durable_updates(self):
        """See that each checkpoint has stored its durable updates."""
        wanted = 0
        for life in self.lives.values():
            for step, count in life.completed.items():
                wanted += count * sum(update["durable"] for update in life.does(step, "defers") or ())
        stored = [life for life in self.lives.values() if life.is_update and life.forked_from is None]
        assert len(stored) == wanted, f"{len(stored)} durable updates are stored, not {wanted}"
        for life in stored:
            assert life.ends != ["finished"] or self._witness.has_run(life), f"{life.pid} has not run"


def _talk(query):
    return (yield query)
