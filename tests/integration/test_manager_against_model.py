"""A manager against a small model of what processes are, driven by Hypothesis, with crashes in between."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from procactors import (
    Interrupt,
    InvalidStateError,
    ManagerOptions,
    NotInterruptedError,
    Process,
    ProcessEndedError,
    ProcessStatus,
    Step,
    StepContext,
)
from procactors.testing import VirtualClock, manager

S = ProcessStatus
STEPS = ("one", "two", "three")
MAX_RUNNING = 3
CRASH_LIMIT = ManagerOptions().crash_limit


class Gates:
    """Holds every step until the test says how it ends."""

    def __init__(self):
        self.orders = {}
        self.arrivals = anyio.Event()

    def open(self, pid, order):
        self.orders[pid] = order
        arrivals, self.arrivals = self.arrivals, anyio.Event()
        arrivals.set()

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


DEFINITION = Process("gated", [Step(name, gated, services=("gates",)) for name in STEPS], timeout=None)


class Model:
    """What one process should be. One that is queued and one that runs are both `alive` to it."""

    def __init__(self):
        self.status = None
        self.done = []
        self.answers = {}
        self.crashes = 0

    @property
    def is_alive(self):
        return self.status is None

    @property
    def data(self):
        return {**self.answers, "done": self.done} if self.done else self.answers

    def obey(self, order):
        if order == "fail":
            self.status = S.FAILED
            return
        self.done = [*self.done, STEPS[len(self.done)]]
        self.crashes = 0
        if order == "interrupt":
            self.status = S.INTERRUPTED
        elif len(self.done) == len(STEPS):
            self.status = S.FINISHED

    def retry(self):
        self.status = None
        self.crashes = 0

    def crash(self):
        """Its manager goes down while it runs."""
        self.crashes += 1
        if self.crashes == CRASH_LIMIT:
            self.status = S.FAILED

    def answer(self, answer):
        self.answers = {**self.answers, **answer}
        self.status = None if len(self.done) < len(STEPS) else S.FINISHED


class ManagerMachine(RuleBasedStateMachine):
    """Each rule is one thing that a user, or fate, does; after each the store has to be what the model is."""

    pids = Bundle("pids")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.Runner()
        self.clock = VirtualClock()
        self.gates = Gates()
        self.store = None
        self.models = {}
        self.settled(self.reboot())

    def settled(self, coroutine):
        """Run it in the loop, until nothing more happens."""

        async def whole():
            result = await coroutine
            await self.clock.settle()
            return result

        return self.loop.run(whole())

    async def reboot(self):
        self.manager = manager(
            clock=self.clock, store=self.store, services={"gates": self.gates}, max_running=MAX_RUNNING
        )
        self.store = self.manager.store
        await self.manager.open()
        await self.clock.advance(10)  # a killed manager's lease runs out

    # What users do.

    @rule(target=pids)
    def start(self):
        pid = self.settled(self.manager.start(DEFINITION, {})).pid
        self.models[pid] = Model()
        return pid

    @rule(pid=pids, order=st.sampled_from(["ok", "ok", "ok", "fail", "interrupt"]))
    def end_a_step(self, pid, order):
        if self.loop.run(self.manager.info(pid)).status is S.RUNNING:
            self.gates.open(pid, order)
            self.settled(anyio.lowlevel.checkpoint())
            self.models[pid].obey(order)

    @rule(pid=pids)
    def proceed(self, pid):
        model = self.models[pid]
        answer = {f"answer{len(model.done)}": True}
        if model.status is S.INTERRUPTED:
            self.settled(self.manager.proceed(pid, answer))
            model.answer(answer)
        else:
            with pytest.raises(NotInterruptedError):
                self.settled(self.manager.proceed(pid, answer))

    @rule(pid=pids)
    def retry(self, pid):
        model = self.models[pid]
        if model.status is S.FAILED:
            self.settled(self.manager.retry(pid))
            model.retry()
        else:
            with pytest.raises(InvalidStateError):
                self.settled(self.manager.retry(pid))

    @rule(pid=pids)
    def cancel(self, pid):
        model = self.models[pid]
        is_over = model.status in {S.FINISHED, S.FAILED, S.CANCELLED}
        assert self.settled(self.manager.cancel(pid)) is not is_over
        if not is_over:
            model.status = S.CANCELLED

    # What fate does.

    @rule()
    def crash_and_recover(self):
        async def crash():
            for info in await self.manager.list("running", limit=1000):
                self.models[info.pid].crash()
            await self.manager.kill()
            await self.reboot()

        self.settled(crash())

    @rule()
    def close_and_open(self):
        async def close():
            await self.manager.close()
            await self.reboot()

        self.settled(close())

    # What has to hold.

    @invariant()
    def every_process_is_as_the_model_says(self):
        infos = {info.pid: info for info in self.loop.run(self.manager.list(limit=1000))}
        assert infos.keys() == self.models.keys()
        for pid, model in self.models.items():
            check(infos[pid], model)
        running = [info for info in infos.values() if info.status is S.RUNNING]
        alive = [model for model in self.models.values() if model.is_alive]
        assert len(running) == min(len(alive), MAX_RUNNING)

    def teardown(self):
        self.loop.run(self.end())
        self.loop.close()

    async def end(self):
        try:
            for pid, model in self.models.items():
                await self.check_end(pid, model)
        finally:
            await self.manager.kill()

    async def check_end(self, pid, model):
        events = await self.store.history(pid, 0, 1000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        finished = [event.step for event in events if type(event).__name__ == "StepFinished"]
        assert finished == model.done, "every step has exactly one"
        if model.status is S.FINISHED:
            assert await self.manager.result(pid) == model.data
        elif model.status in {S.FAILED, S.CANCELLED}:
            with pytest.raises(ProcessEndedError):
                await self.manager.result(pid)


def check(info, model):
    if model.is_alive:
        assert info.status in {S.RUNNING, S.QUEUED}
        assert (info.owner is None) is (info.status is S.QUEUED)
    else:
        assert info.status is model.status
        assert info.owner is None
    if model.status is not S.CANCELLED:
        assert info.data == model.data
    assert info.output == (model.data if model.status is S.FINISHED else None)
    assert info.last_completed_step == (model.done[-1] if model.done else None)
    assert [step for step, status in info.steps.items() if status == "completed"] == model.done


ManagerMachine.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestManagerAgainstModel = pytest.mark.slow(ManagerMachine.TestCase)
