"""Retries: when, how often, for which errors, and what they cost."""

from __future__ import annotations

import itertools
from datetime import timedelta

import anyio
import pytest

from procactors import (
    Fatal,
    InvalidDefinitionError,
    ManagerOptions,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    RetryAfter,
    Step,
)
from procactors.stores import open_store
from procactors.testing import SimulatedStore, VirtualClock, manager
from tests.behaviour.history import history, only, until
from tests.behaviour.steps import come_later, echo, fail, fail_often, hopeless, note


class ShopError(Exception):
    pass


class PaymentError(ShopError):
    pass


async def pays(data, ctx):
    ctx.services["probe"].note(data, ctx)
    raise PaymentError("declined")


async def alternates(data, ctx):
    """Fail, come later, fail, come later, ... as `data["plan"]` says."""
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    probe.times.append(anyio.current_time())
    match data["plan"][len(probe.calls) - 1]:
        case "fail":
            raise OSError("no")
        case "later":
            raise RetryAfter(2)
        case "fatal":
            raise Fatal("stop")
    return data


def plain_come_later(data, ctx):
    probe = ctx.services["probe"]
    probe.note(data, ctx)
    if probe.failures:
        probe.failures -= 1
        raise RetryAfter(1, "the other side is busy")
    return data


async def later_than_never(data):
    raise RetryAfter(float(data["s"]))


def retrying(call, **policy):
    policy = {"delay": 1, "jitter": False} | policy
    return Process("p", {"before": echo, "s": Step("s", call, retry=Retry(**policy))}, timeout=None)


def gaps(times):
    return [round(after - before, 2) for before, after in itertools.pairwise(times)]


def near(found, wanted, slack=0.11):
    """A store in a file is looked at every 50 ms."""
    return len(found) == len(wanted) and all(w <= f <= w + slack for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ({"attempts": 5}, [1, 2, 4, 8]),
        ({"attempts": 4, "delay": 2, "factor": 1}, [2, 2, 2]),
        ({"attempts": 5, "factor": 3, "max_delay": 5}, [1, 3, 5, 5]),
        ({"attempts": 3, "delay": 10, "max_delay": 4}, [4, 4]),
        ({"attempts": 4, "delay": 0}, [0, 0, 0]),
        ({"attempts": 4, "delay": 0.25}, [0.25, 0.5, 1]),
        ({"attempts": 3, "delay": 0.5, "max_delay": 0}, [0, 0]),
    ],
)
async def test_attempts_come_after_exponentially_growing_delays(world, probe, policy, delays):
    probe.failures = policy["attempts"] - 1
    async with world.manager() as m:
        handle = await m.start(retrying(fail_often, **policy), {"x": 1})
        assert await handle.result() == {"x": 1}
        assert near(gaps(probe.times), delays), gaps(probe.times)
        assert probe.attempts == list(range(1, policy["attempts"] + 1))


async def test_default_policy_is_three_attempts_with_jitter(memory_world, probe):
    probe.failures = 9
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"s": Step("s", fail_often, retry=Retry())}))
        with pytest.raises(ProcessFailedError):
            await handle.result()
        first, second = gaps(probe.times)
        assert 0.5 <= first <= 1
        assert 1 <= second <= 2


async def test_jitter_draws_from_the_upper_half(memory_world, probe):
    probe.failures = 39
    step = Step("s", fail_often, retry=Retry(attempts=40, delay=10, factor=1))
    async with memory_world.manager() as m:
        await (await m.start(Process("p", [step], timeout=None))).result()
        found = gaps(probe.times)
        assert all(5 <= gap <= 10.01 for gap in found)
        assert len(set(found)) > 20


async def test_after_the_last_attempt_the_process_fails(m, probe):
    probe.failures = 9
    handle = await m.start(retrying(fail_often, attempts=3, delay=0.1))
    with pytest.raises(ProcessFailedError, match="not yet") as caught:
        await handle.result()
    assert caught.value.attempt == 3
    assert probe.attempts == [1, 2, 3]
    info = await handle.info()
    assert info.error.attempt == 3
    assert info.attempt == 3
    events = await history(m, handle.pid)
    assert [e.attempt for e in only(events, "StepStarted")] == [1, 1, 2, 3]
    assert [e.attempt for e in only(events, "StepFailed")] == [1, 2, 3]
    assert [e.attempt for e in only(events, "StepRetryScheduled")] == [2, 3]


async def test_one_attempt_is_no_retry(m, probe):
    handle = await m.start(retrying(fail, attempts=1))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert probe.attempts == [1]


async def test_a_process_sleeps_between_attempts_holding_no_slot(world, probe):
    probe.failures = 1
    async with world.manager(max_running=1) as m:
        handle = await m.start(retrying(fail_often, delay=5))
        await until(m, handle.pid, "StepRetryScheduled")
        await world.clock.settle()
        info = await handle.info()
        assert info.status == "sleeping"
        assert info.owner is None
        assert info.attempt == 2
        assert info.step == "s"
        assert info.error.message == "not yet"
        assert info.error.attempt == 1
        (scheduled,) = only(await until(m, handle.pid, "StepRetryScheduled"), "StepRetryScheduled")
        assert info.due_at == scheduled.due_at == scheduled.at + timedelta(seconds=5)
        assert await (await m.start(Process("q", [echo]), {"y": 1})).result() == {"y": 1}
        assert len(probe.calls) == 1
        await handle.result()
        assert (await handle.info()).error is None


@pytest.mark.parametrize(
    "on",
    [
        ("PaymentError",),
        ("ShopError",),
        ("Exception",),
        (f"{__name__}.ShopError",),
        ("OSError", "ShopError"),
        ("*",),
        (ShopError,),
        (PaymentError, OSError),
    ],
)
async def test_an_error_named_bare_qualified_or_by_a_base_is_tried_again(m, probe, on):
    handle = await m.start(retrying(pays, attempts=2, delay=0.1, on=on))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert probe.attempts == [1, 2]


@pytest.mark.parametrize("on", [("OSError",), ("other.PaymentError",), ("Payment",), ("paymenterror",), ()])
async def test_an_error_that_is_not_named_fails_at_once(m, probe, on):
    handle = await m.start(retrying(pays, attempts=5, on=on))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert probe.attempts == [1]


async def test_fatal_is_never_tried_again(m, probe):
    handle = await m.start(retrying(hopeless, attempts=5))
    with pytest.raises(ProcessFailedError, match="never"):
        await handle.result()
    assert probe.attempts == [1]
    assert (await handle.info()).error.type == "Fatal"


async def fails_in_a_task_group(data, ctx):
    ctx.services["probe"].note(data, ctx)
    async with anyio.create_task_group() as tasks:
        for kind in data["kinds"]:
            tasks.start_soon(_raise, KINDS[kind])


async def _raise(kind):
    raise kind(0.1) if kind is RetryAfter else kind("in a task")


KINDS = {"PaymentError": PaymentError, "Fatal": Fatal, "RetryAfter": RetryAfter, "ValueError": ValueError}


@pytest.mark.parametrize(
    ("kinds_raised", "on", "attempts"),
    [
        (["PaymentError"], ["ShopError"], 2),
        (["PaymentError"], ["ExceptionGroup"], 2),
        (["PaymentError"], ["OSError"], 1),
        (["PaymentError", "ValueError"], ["ShopError"], 1),
        (["Fatal"], ["*"], 1),
    ],
)
async def test_an_error_that_a_task_group_has_wrapped_alone_counts_like_itself(
    m, probe, kinds_raised, on, attempts
):
    step = Step("s", fails_in_a_task_group, retry=Retry(attempts=2, delay=0.1, on=on))
    handle = await m.start(Process("p", [step]), {"kinds": kinds_raised})
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.error.type == "ExceptionGroup"
    assert probe.attempts == [*range(1, attempts + 1)]


async def test_a_step_may_ask_from_within_a_task_group_to_be_tried_again(memory_world, probe):
    async with memory_world.manager() as m:
        step = Process("p", [fails_in_a_task_group], timeout=0.35)
        handle = await m.start(step, {"kinds": ["RetryAfter"]})
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert probe.attempts == [1, 1, 1, 1]


async def test_retry_after_needs_no_policy_and_uses_up_no_attempt(world, probe):
    probe.failures = 4
    async with world.manager() as m:
        handle = await m.start(Process("p", {"s": come_later}, timeout=None), {"s": 1.5})
        assert await handle.result() == {"s": 1.5}
        assert probe.attempts == [1, 1, 1, 1, 1]
        assert near(gaps(probe.times), [1.5] * 4)


async def test_retry_after_of_a_plain_function(m, probe):
    probe.failures = 2
    assert await (await m.start(Process("p", {"s": plain_come_later}), {"x": 1})).result() == {"x": 1}
    assert probe.attempts == [1, 1, 1]


async def test_retry_after_does_not_eat_the_attempts_of_the_policy(world, probe):
    plan = ["later", "fail", "later", "later", "fail", "done"]
    step = Step("s", alternates, retry=Retry(attempts=3, delay=1, jitter=False))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step], timeout=None), {"plan": plan})
        await handle.result()
        assert probe.attempts == [1, 1, 2, 2, 2, 3]
        assert near(gaps(probe.times), [2, 1, 2, 2, 2])


async def test_retry_after_needs_not_be_among_the_errors_of_the_policy(m, probe):
    probe.failures = 1
    step = Step("s", come_later, retry=Retry(attempts=2, on=("OSError",)))
    assert await (await m.start(Process("p", [step]), {"s": 0.1})).result() == {"s": 0.1}


async def test_retry_after_holds_no_slot(world, probe):
    probe.failures = 1
    async with world.manager(max_running=1) as m:
        handle = await m.start(Process("p", {"s": come_later}), {"s": 5})
        await until(m, handle.pid, "StepStarted")
        assert await (await m.start(Process("q", [echo]), {"y": 1})).result() == {"y": 1}
        assert (await handle.info()).status == "sleeping"
        await handle.result()


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf"])
async def test_retry_after_of_no_time_at_all_fails_the_step(m, seconds):
    handle = await m.start(Process("p", {"s": later_than_never}), {"s": seconds})
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.step == "s"


async def test_a_backoff_counts_towards_the_timeout(world, probe):
    probe.failures = 9
    step = Step("s", fail_often, retry=Retry(attempts=5, delay=4, jitter=False))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step], timeout=3))
        began = world.clock.wall()
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert 3 <= world.clock.wall() - began <= 3.2
        assert probe.attempts == [1]


async def test_a_sleeping_retry_survives_a_kill_and_comes_on_time(world, probe):
    probe.failures = 1
    async with world.manager() as m:
        handle = await m.start(retrying(fail_often, delay=7))
        await until(m, handle.pid, "StepRetryScheduled")
        await world.clock.settle()
        await m.kill()
    async with world.manager() as m:
        await m.result(handle.pid)
        assert probe.attempts == [1, 2]
        begun = [e for e in only(await history(m, handle.pid), "StepStarted") if e.step == "s"]
        assert near(gaps([e.at.timestamp() for e in begun]), [7])  # the loop's time is real between managers


async def test_steps_before_the_failed_one_are_not_run_again(m, probe):
    probe.failures = 2
    step = Step("b", fail_often, retry=Retry(attempts=3, delay=0.1))
    await (await m.start(Process("p", {"a": note, "b": step, "c": note}))).result()
    assert probe.steps == ["a", "b", "b", "b", "c"]


async def test_each_step_counts_its_own_attempts(m, probe):
    probe.failures = 1
    retry = Retry(attempts=2, delay=0.1)
    process = Process("p", {"a": Step("a", fail_often, retry=retry), "b": Step("b", fail_often, retry=retry)})
    await (await m.start(process)).result()
    assert probe.calls == [("a", 1), ("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": 1.5},
        {"delay": -1},
        {"factor": 0.5},
        {"factor": -2},
        {"max_delay": -1},
        {"delay": float("nan")},
        {"factor": float("nan")},
        {"max_delay": float("nan")},
        {"on": "OSError"},
        {"on": (7,)},
    ],
)
def test_a_policy_that_is_none_is_refused_at_construction(wrong):
    with pytest.raises(InvalidDefinitionError):
        Retry(**wrong)


class SlowToAnswerStore(SimulatedStore):
    """Takes a while after each commit until it says so."""

    async def commit(self, operations):
        outcomes = await super().commit(operations)
        await anyio.sleep(0.05)
        return outcomes


async def test_a_retry_that_becomes_due_while_its_manager_looks_for_due_ones_is_not_missed(probe):
    clock = VirtualClock()
    store = SlowToAnswerStore(open_store("memory://", clock, ManagerOptions()))
    probe.failures = 1
    async with manager(clock=clock, store=store, services={"probe": probe}) as m:
        handle = await m.start(retrying(fail_often, delay=0.08))  # due after the claim, before its answer
        await handle.result(timeout=5)
