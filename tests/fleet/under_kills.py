"""Managers in OS processes of their own, some of which are killed at random moments and replaced."""

from __future__ import annotations

import signal

import anyio

from tests.crash.victim import running

MANAGERS, PATIENCE_S = 3, 120


class Yard:
    """The managers that are alive, and what all that ever lived have noted: time, who, what, pid, group."""

    def __init__(self, url, folder, rng, kills):
        self.url, self.folder, self.rng = url, folder, rng
        self._to_kill = kills
        self.notes = []
        self.kills = 0
        self._victims = []
        self._marked = 0

    @property
    def is_spared(self):
        """Whether all kills are done that were ordered."""
        return self.kills == self._to_kill

    async def run(self, until):
        """Keep some managers alive."""
        async with anyio.create_task_group() as group:
            for number in range(MANAGERS):
                group.start_soon(self.live, number, until)

    async def live(self, number, until):
        """Let one manager live, and after each kill of it another in its place."""
        while not until.is_set():
            me = f"m{number}-{len(self._victims)}"
            async with running(
                "tests.fleet.yard", self.url, me, self.folder, patience_s=PATIENCE_S
            ) as victim:
                self._victims.append(victim)
                await victim.wrote("open")
                is_marked = self._marked < self._to_kill
                self._marked += is_marked
                if is_marked:
                    await self.more_are_inside(self.rng.randrange(2, 20))
                    await victim.kill()
                else:
                    await until.wait()
                    assert await victim.kill(signal.SIGTERM) == 0, victim.log
                self.kills += is_marked
                self.note(victim, me, is_killed=is_marked)

    async def more_are_inside(self, by):
        def came():
            return sum(len(victim.noted("in")) for victim in self._victims)

        goal = came() + by
        while came() < goal:  # noqa: ASYNC110 - whoever it is, in one of several OS processes
            await anyio.sleep(0.01)

    def note(self, victim, me, *, is_killed):
        notes = [(float(at), me, *words) for at, *words in victim.lines if words[0] in {"in", "out"}]
        if notes and is_killed:  # after all that it noted; whoever takes over begins later
            notes.append((notes[-1][0], me, "killed", None, None))
        self.notes += notes
