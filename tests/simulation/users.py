"""What users do, at random, and what they were promised."""

from __future__ import annotations

import anyio

from procactors import ActorStoppedError, NotInterruptedError, ProcactorsError
from tests.simulation.in_file import InFile

ACTS = {
    "start": 12, "start_within": 3, "cancel": 4, "proceed": 8, "retry": 3, "rewind": 3, "skip": 2, "fork": 1,
    "pause": 1, "drain": 1, "resume": 3, "read": 1,
}  # fmt: skip
KEYS = (None, None, None, "one", "two")
CONFLICTS = ("return", "return", "raise", "replace", "skip")
LONGEST_S = 90
"""No call may take longer, as a user's patience with a store is over long before."""


class User:
    """One user, who does one thing after the other."""

    def __init__(self, rng, plans, world):
        self._rng = rng
        self._plans = plans
        self._ledger = world.ledger
        self._managers = world.managers
        self._storage = world.storage
        self.paused = set()

    async def do_something(self):
        """Do one thing, if there is a manager to do it with."""
        manager = self._managers.any(self._rng)
        (act,) = self._rng.choices(list(ACTS), ACTS.values())
        if manager is None:
            return
        with anyio.move_on_after(LONGEST_S) as scope:
            try:
                await getattr(self, f"_{act}")(manager)
            except (ProcactorsError, ActorStoppedError) as error:
                self._ledger.heard(act, error)
        if scope.cancelled_caught:
            self._ledger.complain(f"{act} has not returned within {LONGEST_S} s")

    def _any(self, *statuses):
        lives = list(self._ledger.lives.values())
        wanted = [
            life for life in lives if life.status in statuses and life.pid not in self._ledger.remains.gone
        ]
        return self._rng.choice(wanted or lives) if lives else None

    async def _start(self, manager):
        rng, plan = self._rng, self._plans.draw()
        await manager.start(
            plan,
            {"root": rng.randint(0, 99), "items": [{"items": []}, {"items": []}]},
            key=rng.choice(KEYS),
            key_scope=rng.choice(("kept", "active")),
            on_conflict=rng.choice(CONFLICTS),
            priority=rng.choice((0, 0, 5, -5)),
            delay=rng.choice((None, None, None, 0, 3)),
            group=rng.choice((None, "red", "blue")),
        )

    async def _start_within(self, manager):
        """Start in a transaction of one's own, which may be rolled back."""
        if not isinstance(self._storage, InFile):
            return
        is_committed = self._rng.random() < 0.5
        async with self._storage.transaction() as connection:
            handle = await manager.start(self._plans.draw(), {"items": []}, tx=connection)
            await anyio.sleep(self._rng.choice((0, 0.1, 3)))
            connection.execute("COMMIT" if is_committed else "ROLLBACK")
            self._ledger.see(self._storage.connection, None, (), (), 0)
        found = "SELECT 1 FROM procactors_processes WHERE pid = ?"
        is_there = self._storage.connection.execute(found, (handle.pid,)).fetchone() is not None
        if is_there != is_committed:
            self._ledger.complain(f"{handle.pid} was committed: {is_committed}; it is there: {is_there}")

    async def _cancel(self, manager):
        life = self._any("running", "waiting", "sleeping", "undoing", "interrupted")
        if life is not None:
            ends = len(life.ends)
            if await manager.cancel(life.pid, reason="a user"):
                try:
                    life.promise_cancelled(ends)
                except AssertionError as error:
                    self._ledger.complain(f"{self._ledger.title(life.pid)}: {error}")

    async def _proceed(self, manager):
        """Answer twice at once."""
        life = self._any("interrupted")
        if life is None:
            return
        answered = life.answers
        won = []

        async def answer(number):
            try:
                await manager.proceed(life.pid, {"answer": number})
            except NotInterruptedError:
                return
            except (ProcactorsError, ActorStoppedError) as error:
                self._ledger.heard("proceed", error)
                return
            won.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(answer, number)
        if len(won) > life.answers - answered:
            self._ledger.complain(f"{self._ledger.title(life.pid)}: {len(won)} have answered one question")

    async def _retry(self, manager):
        life = self._any("failed", "timed_out")
        if life is not None:
            await manager.retry(life.pid)

    async def _rewind(self, manager):
        life = self._any("finished", "failed", "cancelled", "sleeping", "interrupted", "undoing")
        if life is not None:
            await manager.rewind(life.pid, self._rng.choice(life.plan.names))

    async def _skip(self, manager):
        life = self._any("failed", "blocked")
        if life is not None:
            await manager.skip(
                life.pid, self._rng.choice([*life.plan.names, life.step or life.plan.names[0]])
            )

    async def _fork(self, manager):
        life = self._any()
        if life is not None:
            data = self._rng.choice((None, {"forked": True, "items": []}))
            await manager.fork(life.pid, self._rng.choice(life.plan.names), data)

    async def _pause(self, manager):
        name = self._rng.choice((None, *(plan.name for plan in self._plans.limited)))
        self.paused.add(name)
        await manager.pause(name)

    async def _drain(self, manager):
        """Pause, and wait until nothing runs, which holds until somebody resumes."""
        name = self._rng.choice((None, *(plan.name for plan in self._plans.limited)))
        self.paused.add(name)
        resumes = self._ledger.resumes
        try:
            await manager.drain(timeout=self._rng.choice((0.5, 5)), name=name)
        except TimeoutError as error:
            self._ledger.heard("drain", error)
            return
        running = [life for life in self._ledger.alive() if life.is_owned and name in {None, life.name}]
        if running and resumes == self._ledger.resumes:
            self._ledger.complain(f"{name} is drained, and {self._ledger.title(running[0].pid)} runs")

    async def _resume(self, manager):
        if self.paused:
            name = self._rng.choice(sorted(self.paused, key=str))
            await manager.resume(name)
            self.paused.discard(name)

    async def _read(self, manager):
        life = self._any()
        if life is not None:
            await manager.info(life.pid)
        await manager.list()
        await manager.queues()
