"""A manager against a small model of what processes are, driven by Hypothesis, with crashes in between."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procactors import Interrupt, NotInterruptedError, Process, ProcessStatus, Step, StepContext
from procactors.errors import InvalidStateError
from procactors.testing import VirtualClock, manager

S = ProcessStatus


class Gates:
    """Holds every step until the test says how it ends."""

    def __init__(self):
        self.orders = {}
        self.arrivals = anyio.Event()

    def open(self, pid, order):
        self.orders[pid] = order
        self.arrivals.set()
        self.arrivals = anyio.Event()

    async def pass_through(self, pid):
        while pid not in self.orders:
            await self.arrivals.wait()
        return self.orders.pop(pid)


async def gated(data, ctx: StepContext, *, gates: Gates):
    order = await gates.pass_through(ctx.pid)
    if order == "fail":
        raise ValueError("as ordered")
    data = {**data, "done": [*data.get("done", []), ctx.step]}
    return Interrupt(data) if order == "interrupt" else data


STEPS = ("one", "two", "three")
DEFINITION = Process("gated", [Step(name, gated, services=("gates",)) for name in STEPS], timeout=None)


class Model:
    """What one process should be."""

    def __init__(self):
        self.status = S.RUNNING
        self.done = []
        self.answers = {}

    @property
    def output(self):
        return {**self.answers, "done": self.done} if self.done else self.answers

    def ordered(self, order):
        if self.status is not S.RUNNING:
            return False
        if order == "fail":
            self.status = S.FAILED
            return True
        self.done = [*self.done, STEPS[len(self.done)]]
        if order == "interrupt":
            self.status = S.INTERRUPTED
        elif len(self.done) == len(STEPS):
            self.status = S.FINISHED
        return True


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["start", "ok", "ok", "ok", "fail", "interrupt", "proceed", "cancel", "retry", "crash", "close"]
        ),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=40,
)


class World:
    """The manager, and the models beside it."""

    def __init__(self):
        self.gates = Gates()
        self.clock = VirtualClock()
        self.store = None
        self.manager = None
        self.models = {}
        self.pids = []

    async def boot(self):
        self.manager = manager(clock=self.clock, store=self.store, services={"gates": self.gates})
        self.store = self.manager.store
        await self.manager.open()
        await self.clock.advance(10)  # a killed manager's lease runs out

    async def do(self, action, number):
        if action == "start":
            handle = await self.manager.start(DEFINITION, {})
            self.models[handle.pid] = Model()
            self.pids.append(handle.pid)
        elif action == "crash":
            await self.manager.kill()
            await self.boot()
        elif action == "close":
            await self.manager.close()
            await self.boot()
        elif self.pids:
            pid = self.pids[number % len(self.pids)]
            await self.control(action, pid, self.models[pid])
        await self.clock.settle()

    async def control(self, action, pid, model):
        if action in {"ok", "fail", "interrupt"}:
            if model.ordered(action):
                self.gates.open(pid, action)
        elif action == "proceed":
            await self.proceed(pid, model)
        elif action == "cancel":
            expected = not model.status.is_ended
            assert await self.manager.cancel(pid) is expected
            if expected:
                model.status = S.CANCELLED
        elif action == "retry":
            await self.retry(pid, model)

    async def proceed(self, pid, model):
        answer = {f"answer{len(model.done)}": True}
        if model.status is not S.INTERRUPTED:
            with pytest.raises(NotInterruptedError):
                await self.manager.proceed(pid, answer)
            return
        await self.manager.proceed(pid, answer)
        model.answers.update(answer)
        model.status = S.RUNNING if len(model.done) < len(STEPS) else S.FINISHED

    async def retry(self, pid, model):
        if model.status is S.FAILED:
            await self.manager.retry(pid)
            model.status = S.RUNNING
        else:
            with pytest.raises(InvalidStateError):
                await self.manager.retry(pid)

    async def check(self):
        for pid, model in self.models.items():
            info = await self.manager.info(pid)
            assert info.status is model.status, (pid, info)
            assert info.last_completed_step == (model.done[-1] if model.done else None)
            if model.status is S.FINISHED:
                assert info.output == model.output
            elif model.status is not S.CANCELLED:
                assert info.data == model.output
            assert [s for s, status in info.steps.items() if status == "completed"] == model.done
            await self.check_history(pid, info)

    async def check_history(self, pid, info):
        events = await self.store.history(pid, 0, 1000)
        assert [event.seq for event in events] == list(range(1, info.seq + 1))
        finished = [event.step for event in events if type(event).__name__ == "StepFinished"]
        assert len(finished) == len(set(finished))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTIONS)
async def test_manager_does_what_the_model_says(actions):
    world = World()
    await world.boot()
    try:
        for action, number in actions:
            await world.do(action, number)
            await world.check()
    finally:
        await world.manager.kill()
