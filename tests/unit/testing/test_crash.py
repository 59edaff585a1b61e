from __future__ import annotations

import pytest

from procactors import Interrupt, Process, ProcessFailedError, Step
from procactors.testing import crash_test


class Counter:
    def __init__(self):
        self.value = 0

    def up(self):
        self.value += 1
        return self.value


async def adds(data):
    return {**data, "x": data.get("x", 0) + 1}


async def asks(data):
    return Interrupt(data)


async def counts_on_memory(data, *, counter):
    return {**data, "count": counter.up()}


async def breaks(data):
    raise ValueError("it never works")


async def test_a_process_that_bears_crashes_passes():
    report = await crash_test(Process("p", {"a": adds, "b": adds, "c": adds}), {"x": 5})
    assert report.output == {"x": 8}
    assert report.commits >= 4, "N steps cost N + 1 commits, and a manager that opens looks around"
    assert report.crashes == 2 * report.commits, "before and after each"


async def test_its_interrupts_are_answered():
    process = Process("p", {"first": asks, "add": adds, "second": asks, "last": adds})
    report = await crash_test(process, {}, answers={"first": {"x": 10}, "second": {"sure": True}})
    assert report.output == {"x": 12, "sure": True}


async def test_an_interrupt_without_an_answer_goes_on_with_what_there_is():
    report = await crash_test(Process("p", {"ask": asks, "add": adds}), {"x": 1})
    assert report.output == {"x": 2}


async def test_a_step_that_can_not_bear_to_run_twice_is_found():
    process = Process("p", {"a": adds, "b": Step("b", counts_on_memory, services=("counter",))})
    with pytest.raises(AssertionError, match=r"crash \w+ commit \d+ of \d+: ended with .*'count': 2"):
        await crash_test(process, {}, services={"counter": Counter()})


async def test_a_process_that_fails_without_a_crash_raises_what_it_ended_with():
    with pytest.raises(ProcessFailedError, match="it never works"):
        await crash_test(Process("p", {"a": adds, "b": breaks}))
