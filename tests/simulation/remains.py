"""What is left of processes that have ended: they are kept for their time, and not for much longer."""

from __future__ import annotations

from procactors.stores._batch import Purge

SLACK_S = 0.005
LONGEST_S = 660
"""After its time is over, a process vanishes within so many seconds."""


class Remains:
    """Looks at what retention deletes.

    Attributes:
        gone: The pids of those that are deleted.
        position_gone: The largest position that was deleted.
    """

    def __init__(self, ledger, keep_ended_s):
        self._ledger = ledger
        self._keep_ended_s = keep_ended_s
        self.gone = set()
        self.position_gone = 0

    def check(self, connection, operations, outcomes, now):
        """See that only those are deleted whose time is over."""
        if not any(isinstance(op, Purge) and done for op, done in zip(operations, outcomes, strict=True)):
            return
        there = {pid for (pid,) in connection.execute("SELECT pid FROM procactors_processes")}
        gone = self._ledger.lives.keys() - there - self.gone
        for pid in gone:
            self._check(self._ledger.lives[pid], gone, now)
        self.position_gone = max(
            [self.position_gone, *(n for n, (pid, *_) in enumerate(self._ledger.log, 1) if pid in gone)]
        )
        self.gone |= gone

    def _check(self, life, gone, now):
        title = self._ledger.title(life.pid)
        assert life.is_ended, f"{title} is deleted while {life.status}"
        alive = [child for child in self._children(life) if not child.is_ended]
        assert not alive, f"{title} is deleted, and its child {alive[0].name} is {alive[0].status}"
        if life.parent_pid is None:
            early_s = life.ended_at + self._keep_s(life) - now
            assert early_s < SLACK_S, f"{title} is deleted {early_s} s too early"
        else:
            assert life.parent_pid in self.gone, f"{title} is deleted before its parent"

    def _children(self, life):
        lives = self._ledger.lives.values()
        return [one for one in lives if one.parent_pid == life.pid and one.pid not in self.gone]

    def _keep_s(self, life):
        return self._keep_ended_s if life.plan.keep is None else life.plan.keep

    def check_at_the_end(self, now):
        """See that nobody is still there whose time is long over."""
        lives = self._ledger.lives
        for life in lives.values():
            root = life
            while root.parent_pid is not None:
                root = lives[root.parent_pid]
            family_ended_at = max(one.ended_at for one in (life, root, *self._children(life)))
            late_s = now - family_ended_at - self._keep_s(root) - LONGEST_S
            assert late_s < 0 or life.pid in self.gone, (
                f"{self._ledger.title(life.pid)} is kept {late_s} s too long"
            )

    # What others may hear of it.

    def explains_unknown(self, pid):
        """Tell whether a process may be unknown."""
        return pid in self.gone or pid not in self._ledger.lives

    def explains_gap(self, after, position):
        """Tell whether nothing that is still there was left out between two positions."""
        return all(pid in self.gone for pid, *_ in self._ledger.log[after : position - 1])
