"""Cancels that wait for the owner of a process: each is heeded at once, and none is kept or lost."""

from __future__ import annotations

WAITING = (
    "SELECT c.id, p.pid FROM procactors_commands c JOIN procactors_processes p ON p.id = c.process"
    " WHERE c.kind = 'cancel'"
)


class Cancels:
    """Looks at those that wait, after each commit."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._waiting = {}

    def check(self, connection, events):
        """See what this commit has made of them: its events, as the lives have taken them in already."""
        before, self._waiting = self._waiting, dict(connection.execute(WAITING).fetchall())
        cancelled = set(before.values())
        for event in events:
            is_new = type(event).__name__ in {"StepStarted", "ProcessWaiting"}
            assert not (is_new and event.pid in cancelled), (
                f"{self._ledger.title(event.pid)}: {event} although a cancel waits"
            )
        for number, pid in self._waiting.items():
            life = self._ledger.lives[pid]
            assert life.owner is not None, f"{self._ledger.title(pid)}: a cancel waits, and nobody owns it"
            if number not in before and life.undo is None:
                life.promise_cancelled(len(life.ends))
