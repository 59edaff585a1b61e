"""Slots, limits and rates: never more run at once, or begin within a time, than may."""

from __future__ import annotations

from collections import Counter

SLACK_S = 0.005
WORKS = {"running", "cancelling", "undoing"}


class Slots:
    """Counts who works, after each commit."""

    def __init__(self, ledger, max_running):
        self._ledger = ledger
        self._max_running = max_running
        self._before = {}
        self._uninvited = set()
        self._begun = {}

    def check(self, events):
        """See that those who work now are not too many."""
        for event in events:
            self._follow(event)
        working = [life for life in self._ledger.lives.values() if self._works(life)]
        for owner, count in Counter(life.owner for life in working).items():
            names = ", ".join(life.name for life in working if life.owner == owner)
            assert count <= self._max_running, f"{count} run at once in manager {owner}: {names}"
        self._check_limits(working)

    def waive(self, pid):
        """Do not count a process that was left without an actor."""
        self._uninvited.add(pid)

    def _works(self, life):
        return life.is_owned and life.status in WORKS and life.pid not in self._uninvited

    def _follow(self, event):
        """Keep in mind who goes on without a slot: whose waiting for children was cut short."""
        pid, kind = event.pid, type(event).__name__
        if kind == "ProcessWaiting":
            self._uninvited.add(pid)
        elif kind in {"ProcessResumed", "ProcessStarted"}:
            if pid not in self._uninvited and self._ledger.lives[pid].is_owned:
                self._begin(self._ledger.lives[pid], event)
            self._uninvited.discard(pid)
        elif not self._ledger.lives[pid].is_owned:
            self._uninvited.discard(pid)

    def _begin(self, life, event):
        limits = life.plan.limits
        if limits is None or limits.rate is None:
            return
        most, seconds = limits.rate
        begun = self._begun.setdefault(life.name, [])
        begun.append(event.at.timestamp())
        late = [at for at in begun if at > begun[-1] - seconds + SLACK_S]
        assert len(late) <= most, f"{len(late)} of {life.name} began within {seconds} s"

    def _check_limits(self, working):
        limited = [life for life in working if life.plan.limits is not None]
        for name, count in Counter(life.name for life in limited).items():
            most = next(life.plan.limits.max_running for life in limited if life.name == name)
            assert most is None or count <= most, f"{count} of {name} run at once"
        for (name, group), count in Counter((life.name, life.group) for life in limited).items():
            most = next(life.plan.limits.max_per_group for life in limited if life.name == name)
            assert most is None or group is None or count <= most, f"{count} of {name}, {group} run at once"
