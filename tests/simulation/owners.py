"""Who may write what: only its owner writes of a process, and only from the dead it is taken away."""

from __future__ import annotations

from procactors.stores._batch import Append, Sweep, Written


class Owners:
    """Looks at what each manager commits.

    Attributes:
        lines: Those of all managers that there were, by their number.
        robbed: Process and manager, for each process that was taken away from one.
    """

    def __init__(self, ledger):
        self._ledger = ledger
        self.lines = {}
        self.robbed = set()

    def check(self, line, operations, outcomes):
        """See that nothing was committed that is fenced off; before the lives know of the commit."""
        for operation, outcome in zip(operations, outcomes, strict=True):
            match operation, outcome:
                case Append(), Written():
                    self._check_write(line, operation)
                case Sweep(), list():
                    for swept in outcome:
                        self._check_taken(line, swept.record)

    def _check_write(self, line, append):
        owner = self._ledger.lives[append.pid].owner
        assert owner == line.member.id, (
            f"{self._ledger.title(append.pid)}: manager {line.member.id} writes, and {owner} is its owner"
        )

    def _check_taken(self, line, record):
        if record.owner is None:
            return
        assert record.owner == line.member.id or self.lines[record.owner].may_be_missed, (
            f"{self._ledger.title(record.pid)} was taken away from manager {record.owner}, which lives"
        )
        self.robbed.add((record.pid, record.owner))

    def check_ability(self, manager, life, kind):
        """See that a step runs only where there is what it needs."""
        if kind == "StepStarted" and "rare" in life.plan.steps[life.step].services:
            assert self.lines[manager].has_rare, (
                f"{life.step} begins in manager {manager}, without its service"
            )

    def excuses(self, line, pid):
        """Tell whether what this manager does to a process may be out of date."""
        return (pid, line.member.id) in self.robbed
