"""What a failed process says about its failure."""

from __future__ import annotations

import asyncio

import pytest

from procactors import (
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    Step,
    StepStatus,
)
from tests.behaviour.history import history, kinds, only
from tests.behaviour.steps import cause_chain, echo, exits, fail, note


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("can't be printed")


class OuterError:
    class InnerError(Exception):
        pass


def plain_failure(data):
    raise LookupError("from a thread")


def plain_exit(data):
    raise SystemExit("from a thread")


async def cancels_itself(data):
    raise asyncio.CancelledError


async def cancels_its_task(data):
    asyncio.current_task().cancel()
    await asyncio.Event().wait()


async def cancels_itself_by_mistake(data):
    """As a step does that waits for a task which somebody else cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def interrupts_the_keyboard(data):
    raise KeyboardInterrupt


async def generator_exit(data):
    raise GeneratorExit


async def group(data):
    raise ExceptionGroup("many", [ValueError("one"), OSError("two")])


async def mute(data):
    raise MuteError


async def huge_message(data):
    raise ValueError("x" * 3_000_000)


async def surrogate_message(data):
    raise ValueError("\ud800 is no text")


async def causes_itself(data):
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


async def long_chain(data):
    error = None
    for n in range(3000):
        cause, error = error, ValueError(f"number {n}")
        error.__cause__ = cause
    raise error


async def deep_recursion(data):
    return await deep_recursion(data)


async def stops_iteration(data):
    return next(iter([]))


async def inner_class(data):
    raise OuterError.InnerError("inner")


async def raises_ours(data):
    raise ProcessCancelledError("not of this process")


async def raises_timeout(data):
    raise TimeoutError("its own")


def raise_class(data):
    raise ValueError


async def failed(m, call, **options):
    handle = await m.start(Process("p", {"before": echo, "s": Step("s", call, **options), "after": note}), {})
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    return handle, caught.value


async def test_a_failed_process_says_step_attempt_type_message_and_traceback(m, probe):
    handle, error = await failed(m, fail)
    assert error.pid == handle.pid
    assert error.step == "s"
    assert error.attempt == 1
    info = await handle.info()
    assert info.status == "failed"
    assert info.error.type == "ValueError"
    assert info.error.message == "no good"
    assert info.error.step == "s"
    assert info.error.attempt == 1
    assert "raise ValueError" in info.error.traceback
    assert "no good" in info.error.traceback
    assert "steps.py" in info.error.traceback
    assert info.error.cause is None
    assert not info.error.abandoned
    assert error.error == info.error
    assert info.ended_at is not None
    assert info.owner is None
    assert info.output is None
    assert info.steps == {
        "before": StepStatus.COMPLETED,
        "s": StepStatus.FAILED,
        "after": StepStatus.PENDING,
    }
    assert info.last_completed_step == "before"
    assert probe.steps == ["s"]


async def test_events_of_a_failure_carry_the_error(m):
    handle, _ = await failed(m, fail)
    events = await history(m, handle.pid)
    assert kinds(events)[-2:] == ["StepFailed", "ProcessFailed"]
    (step_failed,) = only(events, "StepFailed")
    assert (step_failed.step, step_failed.attempt) == ("s", 1)
    assert step_failed.error.message == "no good"
    assert events[-1].error.type == "ValueError"


async def test_the_error_text_names_step_and_cause_in_one_line(m):
    _, error = await failed(m, fail)
    assert "no good" in str(error)
    assert "'s'" in str(error) or " s " in str(error)
    assert "\n" not in str(error)


async def test_the_cause_chain_is_kept(m):
    handle, _ = await failed(m, cause_chain)
    error = (await handle.info()).error
    assert (error.type, error.message) == ("RuntimeError", "top")
    assert (error.cause.type, error.cause.message) == ("OSError", "deeper")
    assert error.cause.cause.type == "KeyError"
    assert error.cause.cause.cause is None


async def test_a_plain_function_that_raises_fails_its_step(m):
    handle, _ = await failed(m, plain_failure)
    error = (await handle.info()).error
    assert (error.type, error.message) == ("LookupError", "from a thread")
    assert "plain_failure" in error.traceback


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (exits, "SystemExit"),
        (plain_exit, "SystemExit"),
        (generator_exit, "GeneratorExit"),
        (group, "ExceptionGroup"),
        (mute, "MuteError"),
        (huge_message, "ValueError"),
        (surrogate_message, "ValueError"),
        (causes_itself, "ValueError"),
        (long_chain, "ValueError"),
        (deep_recursion, "RecursionError"),
        (stops_iteration, "RuntimeError"),
        (raises_ours, "ProcessCancelledError"),
        (raises_timeout, "TimeoutError"),
        (raise_class, "ValueError"),
    ],
)
async def test_whatever_a_step_raises_fails_the_process_and_nothing_else(m, call, kind):
    handle, _ = await failed(m, call)
    info = await handle.info()
    assert info.error.type == kind
    assert info.error.step == "s"
    assert await (await m.start(Process("next", [echo]), {"a": 1})).result() == {"a": 1}


@pytest.mark.parametrize("call", [cancels_itself, cancels_its_task, cancels_itself_by_mistake])
async def test_a_cancelled_error_of_the_step_itself_is_a_failure(m, call):
    handle, _ = await failed(m, call)
    assert (await handle.info()).error.type == "CancelledError"
    assert await (await m.start(Process("next", [echo]), {"a": 1})).result() == {"a": 1}


async def test_an_inner_class_is_named(m):
    handle, _ = await failed(m, inner_class)
    assert (await handle.info()).error.type.endswith("InnerError")


async def test_errors_can_be_read_after_a_restart(world):
    async with world.manager() as m:
        handle, _ = await failed(m, cause_chain)
        before = await handle.info()
    async with world.manager() as m:
        assert (await m.info(handle.pid)).error == before.error
        with pytest.raises(ProcessFailedError, match="top") as caught:
            await m.result(handle.pid)
        assert caught.value.error.cause.cause.type == "KeyError"
