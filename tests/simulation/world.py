"""One simulation, from its seed to the end of all its processes."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import anyio
import msgspec

from procactors import ActorStoppedError, ProcactorsError, Process, Step
from tests.simulation import faults
from tests.simulation.in_file import InFile
from tests.simulation.ledger import Ledger
from tests.simulation.managers import OPTIONS, Managers, Place
from tests.simulation.outside import Outside
from tests.simulation.plans import Plans
from tests.simulation.plugins import Plugins
from tests.simulation.readers import Readers
from tests.simulation.storage import InMemory
from tests.simulation.takeovers import Takeovers
from tests.simulation.turns import TurnClock
from tests.simulation.users import User
from tests.simulation.witness import Witness

IN_FILE = 8
"""One in so many simulations has its state in a real file."""
HORIZON_S = 60
"""For so long users and fate are at work."""
PATIENCE_S = 6 * 3600
"""In so much time what is left comes to its end."""


class Report(msgspec.Struct, frozen=True):
    """What a simulation came to.

    Attributes:
        digest: A name of its whole history: equal if and only if the histories are.
        counts: How often each event happened.
        trouble: What must not have happened.
    """

    seed: int
    digest: str
    commits: int
    counts: dict
    heard: dict
    trouble: list


class TimelessLoop(asyncio.SelectorEventLoop):
    """A loop whose time begins at zero and stands still, until a virtual clock takes it over."""

    def time(self):
        return 0.0


def simulate(seed, watch=None):
    """Run one simulation, and report on it; `watch(event, life, manager)` sees each event."""
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        return runner.run(_simulate(seed, watch))


async def _simulate(seed, watch):
    return await World(seed, watch).run()


class World:
    """All that there is in it."""

    def __init__(self, seed, watch):
        self.seed = seed
        rng = self._rng("world")
        self.clock = TurnClock()
        self.max_running = rng.choice((1, 2, 3, 8))
        self.options = msgspec.structs.replace(
            OPTIONS, keep_ended_s=rng.choice((10**9, 10**9, 1000, 100, 10, 0))
        )
        self.is_patient = rng.random() < 0.03
        """Whether it is waited until all is deleted that has to be."""
        self.witness = Witness(seed, self.clock)
        self.scope = anyio.CancelScope()
        self.ledger = Ledger(
            self.witness, self.max_running, self.options.keep_ended_s, self.scope.cancel, watch
        )
        self.witness.ledger = self.ledger
        self.storage = (InMemory if seed % IN_FILE else InFile)(self.clock, self.options)
        self.outside = Outside(seed, self.clock, self.options)
        self.managers = Managers()
        self.is_calm = anyio.Event()
        self.is_over = anyio.Event()
        plans = Plans(self._rng("plans"), self.outside.share)
        count = rng.choice((1, 1, 2, 2, 3))
        self.places = [
            Place(
                number, self._rng(f"place {number}"), faults.draw(self._rng(f"faults {number}")), self, runs
            )
            for number, runs in enumerate([True] * count + [False] * rng.choice((0, 0, 1, 2)))
        ]
        self.plugins = Plugins(self._rng("plugins"), self.ledger.turns, self.is_calm)
        self.readers = Readers(self._rng("readers"), self)
        self.users = [User(self._rng(f"user {number}"), plans, self) for number in range(2)]

    def _rng(self, purpose):
        return Random(f"{self.seed} {purpose}")

    async def run(self):
        """Let it all happen."""
        asyncio.get_running_loop().set_exception_handler(self._complain)
        self.clock.install()
        log = logging.getLogger("procactors")
        log.addHandler(handler := _Log(self.ledger))
        try:
            with self.scope:
                await self._run()
            await self._end()
        finally:
            log.removeHandler(handler)
            self.witness.leave()
            self.clock.uninstall()
            await self.storage.close()
        ledger = self.ledger
        return Report(self.seed, ledger.digest, ledger.commits, ledger.counts, ledger.errors, ledger.trouble)

    def _complain(self, _loop, context):
        self.ledger.complain(f"the loop: {context}")

    async def _run(self):
        async with anyio.create_task_group() as tasks:
            for place in self.places:
                tasks.start_soon(place.run)
            tasks.start_soon(Takeovers(self, OPTIONS.lease_s).watch)
            tasks.start_soon(self.outside.haunt, self.is_calm)
            tasks.start_soon(self.readers.follow_all)
            tasks.start_soon(self.readers.follow_some)
            async with anyio.create_task_group() as acting:
                for user in self.users:
                    acting.start_soon(self._act, user)
            self.is_calm.set()
            await self._come_to_an_end()
            await self._fill_all_slots()
            self.is_over.set()

    async def _act(self, user):
        pauses = self._rng(f"pauses {self.users.index(user)}")
        while self.clock.monotonic() < HORIZON_S:
            await anyio.sleep(pauses.choice((0, 0, 0.1, 1, 5, 10)))
            await user.do_something()

    async def _come_to_an_end(self):
        """Answer all questions and end all pauses, until everything is over."""
        began = self.clock.monotonic()
        while (waited := self.clock.monotonic() - began) < PATIENCE_S:
            manager = self.managers.any(self._rng("last"))
            if manager is not None:
                for user in self.users:
                    for name in sorted(user.paused, key=str):
                        await self._resume(manager, user, name)
                for life in self.ledger.alive():
                    if life.status == "interrupted":
                        try:
                            await manager.proceed(life.pid)
                        except ProcactorsError as error:
                            self.ledger.heard("proceed", error)
                if not self.ledger.alive():
                    return
            await anyio.sleep(max(1, waited / 20))
        for life in self.ledger.alive():
            self.ledger.complain(f"{self.ledger.title(life.pid)} is stuck: {life.status} at {life.running}")

    async def _resume(self, manager, user, name):
        try:
            await manager.resume(name)
        except (ProcactorsError, ActorStoppedError) as error:  # it is tried again
            self.ledger.heard("resume", error)
        else:
            user.paused.discard(name)

    async def _fill_all_slots(self):
        """See that each manager has all its slots: so many processes run at once, and no more."""
        while len(self.managers) < len(self.places):  # noqa: ASYNC110 - some are between two lives
            await anyio.sleep(1)
        manager = self.managers.any(self._rng("slots"))
        gate = self.witness.gate = anyio.Event()
        most = self.max_running * sum(place.runs for place in self.places)
        plan = Process("gated", [Step("wait", gated, services=("witness",))], timeout=None)
        for _ in range(most + 1):
            await manager.start(plan)
        await anyio.sleep(5)  # a manager may just be waiting before it tries a store again
        running = sum(life.status == "running" for life in self.ledger.alive())
        if running != most:
            self.ledger.complain(f"{running} run at once, with {most} slots")
        gate.set()
        await anyio.sleep(1)
        if self.ledger.alive():
            self.ledger.complain("slots were given away, and did not come back")
        if self.is_patient and not self.plugins.ticks:
            await anyio.sleep(1000)
        try:
            lives, remains = self.ledger.lives.values(), self.ledger.remains
            self.plugins.check_at_the_end(lives, remains.gone, self.clock.wall())
            remains.check_at_the_end(self.clock.wall())
        except AssertionError as error:
            self.ledger.complain(str(error))
        if not self.ledger.remains.explains_gap(self.readers.last, self.ledger.position + 1):
            self.ledger.complain(f"a reader has come to {self.readers.last} of {self.ledger.position} events")

    async def _end(self):
        try:
            await self.outside.end()
        except AssertionError as error:
            self.ledger.complain(str(error))
        if self.ledger.trouble:
            return
        await self.storage.open()
        try:
            self.ledger.check_at_the_end(self.storage.connection)
        except AssertionError as error:
            self.ledger.complain(str(error))
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            self.ledger.complain(f"tasks left over: {left}")


async def gated(data, *, witness):
    await witness.gate.wait()
    return data


class _Log(logging.Handler):
    """Complains of errors and of actors that fail: none of the faults is one of the engine's own."""

    def __init__(self, ledger):
        super().__init__(logging.WARNING)
        self._ledger = ledger

    def emit(self, record):
        said = record.getMessage()
        if "was abandoned" in said:  # with a step that clings to its life
            self._ledger.note_abandoned(record.args[0])
        elif said.startswith("plugin") and "as planned" in str(record.exc_info):
            pass
        elif record.levelno >= logging.ERROR or "failed and restarts" in said:
            self._ledger.complain(f"logged: {self.format(record)}")
