"""The plugins of the managers: some run every so often, others start processes by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
from cronsim import CronSim

from procactors import Process, Step
from procactors.cron import CronPlugin
from tests.simulation.steps import act

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
SLACK = timedelta(milliseconds=5)


class Plugins:
    """Those that all managers know. Each gets its own instances."""

    def __init__(self, rng, turns, is_calm):
        self._is_calm = is_calm
        self._turns = turns
        self.ticks = [
            (f"tick{number}", rng.choice((0.5, 3, 10, 30)), rng.choice((0, 0, 0.1, 2, 7)), rng.random() < 0.2)
            for number in range(rng.choice((0, 0, 1, 2)))
        ]
        self.crons = [
            {
                "key": f"cron{number}",
                "expression": rng.choice(("*/5 * * * * *", "*/17 * * * * *", "7,8 * * * * *", "* * * * *")),
                "process": self._process(rng, number),
                "misfire": rng.choice(("skip", "once", "all", "all")),
                "grace": rng.choice((0, 2, 60)),
            }
            for number in range(rng.choice((0, 0, 1, 2)))
        ]
        for key, interval, *_ in self.ticks:
            turns.know(key, interval)
        for cron in self.crons:
            turns.know(cron["key"], None)

    def _process(self, rng, number):
        does = {"seconds": rng.choice((0, 1, 8))}
        steps = [Step("s0", act, kwargs={"does": does}, services=("witness",))]
        return Process(f"cron{number}", steps, timeout=None, keep=rng.choice((None, 0, 3)))

    def of(self, line):
        """Return the plugins of the manager that has this line to the store."""
        ticks = [Tick(*tick, line, self._turns) for tick in self.ticks]
        return [*ticks, *(Cron(self._is_calm, line, self._turns, **cron) for cron in self.crons)]

    def check_at_the_end(self, lives, gone, now):
        """See that nothing was started twice, and nothing was left out.

        Of an instant whose process is deleted before the crash of who started it is noticed, nobody knows.
        """
        for key, interval, seconds, _ in self.ticks:
            late_s = now - self._turns.begun.get(key, 0) - max(interval, seconds)
            assert late_s < 10, f"{key} has not run for {late_s} s"
        for cron in self.crons:
            prefix = cron["key"] + " "
            started = [life for life in lives if (life.key or "").startswith(prefix)]
            known = sorted(life.key for life in started if life.pid not in gone)
            assert len(set(known)) == len(known), f"an instant came twice: {known}"
            if cron["misfire"] == "all":
                keys = {life.key for life in started}
                missing = [
                    instant for instant in self._instants(cron) if prefix + instant.isoformat() not in keys
                ]
                assert not missing, f"{prefix} never came at {missing}"

    def _instants(self, cron):
        """Yield all instants until the last run, as that sees to them."""
        runs = [datetime.fromtimestamp(began, UTC) for began in self._turns.ended[cron["key"]]]
        if not runs:
            return
        for instant in CronSim(cron["expression"], runs[0] + SLACK):
            if instant > runs[-1] - SLACK:
                return
            yield instant


class Tick:
    """Does something for a while, and may fail."""

    def __init__(self, key, interval, seconds, fails, line, turns):
        self.key = key
        self.interval = interval
        self._seconds = seconds
        self._fails = fails
        self._line = line
        self._turns = turns

    async def run(self, manager, last_run):
        """Do it."""
        self._turns.enter(self.key, self._line)
        try:
            await anyio.sleep(self._seconds)
            if self._fails:
                raise OSError("as planned")
        finally:
            self._turns.leave(self.key, self._line)


class Cron(CronPlugin):
    """Starts processes until it becomes calm."""

    def __init__(self, is_calm, line, turns, **schedule):
        super().__init__(**schedule)
        self._is_calm = is_calm
        self._line = line
        self._turns = turns

    def next_run(self, last_run):
        """Return the next instant."""
        return NEVER if last_run and self._is_calm.is_set() else super().next_run(last_run)

    async def run(self, manager, last_run):
        """Start what is due."""
        self._turns.enter(self.key, self._line)
        try:
            await super().run(manager, last_run)
        finally:
            self._turns.leave(self.key, self._line)
