from __future__ import annotations

import threading

import anyio.lowlevel
import pytest

from procactors import Process, ProcessCancelledError, Step
from procactors.testing import _calls, manager


def waits(data, *, gate):
    assert gate.wait(20)
    return data


def opens(data, *, gate):
    gate.set()
    return data


def passes(data, *, gate):
    return data


async def opens_later(data, *, gate):
    gate.set()
    return data


@pytest.fixture
def gate():
    return threading.Event()


def process(*functions):
    return Process("p", [Step(function.__name__, function, services=("gate",)) for function in functions])


async def finished(m, *processes):
    """Run these processes side by side; return their steps in the order of their ends."""
    handles = [await m.start(one) for one in processes]
    for handle in handles:
        await handle.result()
    events, _ = await m.store.events_after(0, 1000)
    return [event.step for event in events if type(event).__name__ == "StepFinished"]


async def test_steps_come_back_from_threads_in_the_order_in_which_they_began(gate):
    async with manager(services={"gate": gate}) as m:
        assert await finished(m, process(waits), process(opens)) == ["waits", "opens"]


async def test_a_thread_that_waits_for_what_another_leads_to_is_passed_over(gate, monkeypatch):
    monkeypatch.setattr(_calls, "_PATIENCE_S", 0.01)
    async with manager(services={"gate": gate}) as m:
        order = await finished(m, process(waits), process(passes, opens_later))
    assert sorted(order) == ["opens_later", "passes", "waits"]
    assert order.index("passes") < order.index("waits")


async def test_a_thread_whose_step_is_over_when_its_turn_comes_is_free_again(gate):
    async with manager(services={"gate": gate}) as m:
        first, second = await m.start(process(waits)), await m.start(process(passes))
        out = m.clock._calls._out
        while len(out) < 2 or not [*out.values()][1]:
            await anyio.lowlevel.checkpoint()  # it is back, and its turn has not come
        assert await second.cancel()
        with pytest.raises(ProcessCancelledError):
            await second.result()
        gate.set()
        assert await first.result() == {}
    assert "procactors-step" not in [thread.name for thread in threading.enumerate()]
