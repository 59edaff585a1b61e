"""Whose turn it is to run a plugin: one manager's at a time, and no sooner than it is due."""

from __future__ import annotations

from procactors.stores._turns import BeginTurn, EndTurn

SLACK_S = 0.005


class Turns:
    """All that were taken, as they are committed.

    Attributes:
        begun: When the last turn of each plugin began.
        ended: When those runs began that have come to their end, in order.
    """

    def __init__(self, ledger):
        self._ledger = ledger
        self._intervals = {}
        self._runner = {}
        self.begun = {}
        self.ended = {}
        self._running = {}

    def know(self, key, interval):
        """Learn of a plugin, and how often it may run; None: that is its own affair."""
        self._intervals[key] = interval
        self.ended[key] = []

    def check(self, connection, line, operations, outcomes):
        """See that nobody takes a turn that is another's, or not due."""
        for operation, outcome in zip(operations, outcomes, strict=True):
            match operation:
                case BeginTurn(key) if outcome.is_taken:
                    self._begin(connection, line, key, outcome)
                case EndTurn(key) if self._runner.get(key) is line:
                    self._runner[key] = None
                    self.ended[key].append(self.begun[key])

    def _begin(self, connection, line, key, turn):
        member = line.member.id
        known = connection.execute("SELECT 1 FROM procactors_managers WHERE id = ?", (member,)).fetchone()
        assert known, f"manager {member} takes the turn of {key}, and is taken for dead"
        runner, last = self._runner.get(key), (self.ended[key] or [None])[-1]
        assert runner is None or runner is line or runner.may_be_missed, (
            f"{key} is taken away from who runs it"
        )
        assert turn.last_run == last, f"{key} was run at {turn.last_run} last, not {last}"
        interval = self._intervals[key]
        if runner is None and last is not None and interval is not None:
            early_s = last + interval - turn.due_at
            assert early_s < SLACK_S, f"{key} is run {early_s} s too early"
        self._runner[key] = line
        self.begun[key] = turn.due_at

    # What plugins themselves see.

    def enter(self, key, line):
        """Begin to run; who else does so can only be a manager that is taken for dead."""
        running = self._running.setdefault(key, [])
        if any(not other.may_be_missed for other in running):
            self._ledger.complain(f"two managers run {key}")
        running.append(line)

    def leave(self, key, line):
        """Run no more."""
        self._running[key].remove(line)
