"""The managers of a simulation: each lives, comes to harm, and has a successor."""

from __future__ import annotations

import math

import anyio

from procactors import ManagerOptions, ProcactorsError
from procactors.testing import SimulatedStore, manager
from tests.simulation.line import Line
from tests.simulation.witness import Eye

OPTIONS = ManagerOptions(grace_s=3, store_patience_s=8, blocked_loop_s=3600, blocked_after_s=10)

LONGEST_WAIT_S = 15
"""For the moment to strike at."""


class Managers:
    """Those that are open now, by their place."""

    def __init__(self):
        self._open = {}

    def any(self, rng):
        """Return one of them; None: there is none."""
        return rng.choice([*self._open.values()]) if self._open else None

    def __len__(self):
        return len(self._open)

    def enter(self, place, m):
        self._open[place] = m

    def leave(self, place):
        self._open.pop(place, None)


class Place:
    """Where one manager follows another, on the same store; or, if it `runs` nothing, one client.

    Attributes:
        healthy_from: Since when the one that is open now does all that it should, or from when on it will.
    """

    def __init__(self, number, rng, faults, world, runs):
        self._number = number
        self.runs = runs
        self._rng = rng
        self._faults = list(faults)
        self._world = world
        self.healthy_from = math.inf

    async def run(self):
        """Let managers live here until the simulation is over."""
        while not self._world.is_over.is_set():
            await self._live()
            await anyio.sleep(self._rng.choice((0, 0.1, 3, 10)))

    async def _live(self):
        has_rare = self._number == 0 or self._rng.random() < 0.5
        line = Line(self._world.storage, self._world.ledger, has_rare)
        store = SimulatedStore(line)
        eye = Eye(self._world.witness, line)
        m = manager(
            clock=self._world.clock,
            store=store,
            run=self.runs,
            services={"witness": eye, **({"rare": self} if has_rare else {})},
            plugins=self._world.plugins.of(line) if self.runs else (),
            options=self._world.outside.options,
            max_running=self._world.max_running,
            seed=self._rng.getrandbits(32),
        )
        self._world.outside.equip(m, eye)
        is_killed = False
        try:
            with anyio.CancelScope() as scope:
                store.on_crash = scope.cancel
                await m.open()
                self._world.managers.enter(self._number, m)
                self.healthy_from = self._world.clock.monotonic()
                is_killed = await self._suffer(m, store, line)
        finally:
            self._world.managers.leave(self._number)
            self.healthy_from = math.inf
            line.begin_end()
            is_killed = is_killed or store.has_crashed
            if is_killed:
                self._world.outside.cut_lifelines(m)
            with anyio.CancelScope(shield=True):
                await (m.kill() if is_killed else m.close())
            line.end()

    def _expect_health_in(self, seconds):
        self.healthy_from = max(self.healthy_from, self._world.clock.monotonic() + seconds)

    async def _suffer(self, m, store, line):
        """Let happen what is to happen, until this manager ends; True: it is killed."""
        while self._faults:
            with anyio.move_on_after(self._faults[0].after):
                await self._world.is_calm.wait()
            if self._world.is_calm.is_set():
                break
            fault = self._faults.pop(0)
            if fault.kind in {"kill", "close"}:
                return fault.kind == "kill"
            if fault.kind == "strike":
                await self._cancel_what_clings(m, line)
                if self._world.is_calm.is_set():
                    break
                return self._rng.random() < 0.7
            self._suffer_one(fault, store, line)
        await self._world.is_calm.wait()
        store.delay(0)
        store.reboot()
        self.healthy_from = self._world.clock.monotonic() + 2
        await self._world.is_over.wait()
        return False

    def _suffer_one(self, fault, store, line):
        lasts = fault.kind in {"crash", "fail", "slow"}
        self._expect_health_in(math.inf if lasts else fault.number + 2)
        match fault.kind:
            case "crash":
                store.crash_at(int(fault.number), fault.when)
            case "fail":
                store.fail(int(fault.number))
            case "slow":
                store.delay(fault.number)
            case "freeze":
                line.freeze(fault.number)
            case "mute":
                line.mute(fault.number)

    async def _cancel_what_clings(self, m, line):
        """Wait for a process whose step will take its time to end, and cancel it: in the midst of that."""
        lives = self._world.ledger.lives
        with anyio.move_on_after(LONGEST_WAIT_S):
            while not (  # noqa: ASYNC110 - none tells of it
                found := [one for one in lives.values() if _clings(one, line)]
            ):
                await anyio.sleep(0.1)
            try:
                await m.cancel(found[0].pid)
            except ProcactorsError as error:
                self._world.ledger.heard("cancel", error)
            await anyio.sleep(0.1)


def _clings(life, line):
    is_running = life.status == "running" and life.in_step and life.owner == line.member.id
    return is_running and life.does(life.step, "clings")
