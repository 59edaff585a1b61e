"""Every attribute of `ProcessInfo` in every status, and of `StepContext` in every kind of step."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict

import anyio
import msgspec
import pytest

from procactors import (
    Interrupt,
    Process,
    ProcessEndedError,
    ProcessFailedError,
    ProcessStatus,
    Retry,
    Sleep,
    Step,
    StepStatus,
)
from tests.behaviour.history import until, until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, forever, gated, grow, note, slow_to_end

CHILD = Process("child", {"gate": gated})


class Answer(TypedDict):
    approved: bool


async def ask_with_a_deadline(data):
    return Interrupt({**data, "asked": True}, schema=Answer, timeout=3600)


async def run_child(data, ctx):
    return await ctx.run(CHILD, {"from": ctx.step})


async def tell_progress(data, ctx):
    ctx.progress(3, 10, "three of ten")
    await gated(data, ctx)
    return {"told": True}


async def tell_context(data, ctx):
    ctx.services["probe"].seen.append(
        {
            "pid": ctx.pid,
            "step": ctx.step,
            "attempt": ctx.attempt,
            "key": ctx.idempotency_key,
            "data": ctx.data,
            "given": data,
        }
    )
    if ctx.attempt < 3:
        raise OSError("again")
    return {"told": True}


def tell_context_in_a_thread(data, ctx):
    ctx.heartbeat()
    ctx.progress(1)
    ctx.progress(2, 4)
    ctx.progress(3, 4, "text")
    ctx.progress(4, total=4, text="text")
    return {
        "pid": ctx.pid,
        "step": ctx.step,
        "attempt": ctx.attempt,
        "data": ctx.data,
        "key": ctx.idempotency_key,
    }


def is_aware(moment):
    return isinstance(moment, datetime) and moment.utcoffset() == timedelta(0)


async def test_a_queued_process(memory_world):
    async with memory_world.manager(max_running=1) as m:
        await m.start(Process("first", [gated]))
        handle = await m.start(Process("p", {"a": note, "b": echo}), {"n": 1}, key="k", tags=["x", "y"])
        info = await handle.info()
        assert (info.pid, info.name, info.key, list(info.tags)) == (handle.pid, "p", "k", ["x", "y"])
        assert info.status is ProcessStatus.QUEUED
        assert info.data == {"n": 1}
        assert (info.output, info.error, info.interrupt, info.progress) == (None, None, None, None)
        assert info.steps == {"a": StepStatus.PENDING, "b": StepStatus.PENDING}
        assert list(info.steps) == ["a", "b"]
        assert info.last_completed_step is None
        assert is_aware(info.created_at)
        assert (info.started_at, info.ended_at, info.deadline_at) == (None, None, None)
        assert (info.parent_pid, info.depth, info.owner) == (None, 0, None)
        memory_world.probe.gates["gated"].set()
        await handle.result()


async def test_a_running_process(memory_world):
    process = Process("p", {"a": grow, "b": gated, "c": echo}, timeout=60)
    async with memory_world.manager() as m:
        handle = await m.start(process)
        await memory_world.probe.reached["b"].wait()
        info = await handle.info()
        assert info.status is ProcessStatus.RUNNING
        assert info.data == {"trail": ["a"]}
        assert info.attempt == 1
        assert info.steps == {"a": "completed", "b": "running", "c": "pending"}
        assert info.last_completed_step == "a"
        assert info.owner
        assert is_aware(info.started_at)
        assert info.deadline_at - info.started_at == timedelta(seconds=60)
        assert info.ended_at is None
        memory_world.probe.gates["b"].set()
        await handle.result()


async def test_a_finished_process(m):
    handle = await m.start(Process("p", {"a": grow, "b": grow}))
    output = await handle.result()
    info = await handle.info()
    assert info.status is ProcessStatus.FINISHED
    assert info.output == output == {"trail": ["a", "b"]}
    assert info.steps == {"a": "completed", "b": "completed"}
    assert info.last_completed_step == "b"
    assert (info.error, info.interrupt, info.owner, info.deadline_at) == (None, None, None, None)
    assert is_aware(info.ended_at)
    assert info.created_at <= info.started_at <= info.ended_at


async def test_a_process_without_a_timeout_has_no_deadline(m, probe):
    handle = await m.start(Process("p", [gated], timeout=None))
    await probe.reached["gated"].wait()
    assert (await handle.info()).deadline_at is None
    probe.gates["gated"].set()
    await handle.result()


async def test_an_interrupted_process(memory_world):
    process = Process("p", {"a": grow, "ask": ask_with_a_deadline, "c": note})
    async with memory_world.manager() as m:
        handle = await m.start(process)
        event = (await until(m, handle.pid, "ProcessInterrupted"))[-1]
        info = await handle.info()
        assert info.status is ProcessStatus.INTERRUPTED
        assert info.steps == {"a": "completed", "ask": "completed", "c": "pending"}
        assert info.last_completed_step == "ask"
        assert (info.owner, info.deadline_at, info.output, info.error) == (None, None, None, None)
        asked = info.interrupt
        assert (asked.step, asked.data) == ("ask", {"trail": ["a"], "asked": True})
        assert asked.schema["$defs"]["Answer"]["properties"].keys() == {"approved"}
        assert is_aware(asked.deadline_at)
        assert asked.deadline_at - event.at == timedelta(seconds=3600)
        assert (event.step, event.data, event.schema) == (asked.step, asked.data, asked.schema)
        assert await handle.proceed({"approved": True}) == handle.pid
        await handle.result()
        assert (await handle.info()).interrupt is None
        assert memory_world.probe.seen[-1] == {"trail": ["a"], "asked": True, "approved": True}


async def test_an_interrupt_without_timeout_and_schema_says_none(m):
    handle = await m.start(Process("p", [ask]))
    await until_status(handle, "interrupted")
    asked = (await handle.info()).interrupt
    assert (asked.schema, asked.deadline_at) == (None, None)


async def test_a_process_that_sleeps_before_a_retry(memory_world):
    memory_world.probe.failures = 1
    step = Step("often", fail_often, retry=Retry(attempts=5, delay=30, jitter=False))
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": grow, "often": step}))
        await until_status(handle, "sleeping")
        info = await handle.info()
        assert info.steps["often"] in {"pending", "running", "failed"}
        assert info.data == {"trail": ["a"]}
        assert info.owner is None
        assert info.deadline_at is not None  # a backoff counts
        assert info.ended_at is None
        await handle.result()
        info = await handle.info()
        assert info.error is None
        assert info.steps["often"] == "completed"


async def test_a_process_that_sleeps_by_itself(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": grow, "nap": Sleep(100), "b": grow}))
        await until_status(handle, "sleeping")
        info = await handle.info()
        assert info.data == {"trail": ["a"]}
        assert (info.owner, info.deadline_at, info.error) == (None, None, None)
        assert info.last_completed_step == "a"
        await handle.result()


async def test_a_waiting_process_and_its_child(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"parent": run_child}))
        await memory_world.probe.reached["gate"].wait()
        await until_status(handle, "waiting")
        info = await handle.info()
        assert info.status is ProcessStatus.WAITING
        assert info.owner
        assert info.steps == {"parent": "running"}
        (child,) = await m.list(name="child")
        assert (child.parent_pid, child.depth, child.name) == (handle.pid, 1, "child")
        assert child.data == {"from": "parent"}
        memory_world.probe.gates["gate"].set()
        assert await handle.result() == {"from": "parent"}


async def test_a_failed_process(m):
    handle = await m.start(Process("p", {"a": grow, "bad": fail, "c": echo}))
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert (caught.value.pid, caught.value.step, caught.value.attempt) == (handle.pid, "bad", 1)
    info = await handle.info()
    assert info.status is ProcessStatus.FAILED
    assert info.steps == {"a": "completed", "bad": "failed", "c": "pending"}
    assert info.last_completed_step == "a"
    assert info.data == {"trail": ["a"]}
    assert (info.output, info.owner, info.deadline_at) == (None, None, None)
    error = info.error
    assert error.type.rpartition(".")[2] == "ValueError"
    assert (error.message, error.step, error.attempt) == ("no good", "bad", 1)
    assert "in fail" in error.traceback
    assert (error.cause, error.exit_code, error.signal, error.stderr) == (None, None, None, "")
    assert not error.abandoned
    assert is_aware(info.ended_at)


async def test_a_cancelled_and_a_timed_out_process(m, probe):
    handle = await m.start(Process("p", {"a": grow, "b": forever}, timeout=None))
    await probe.reached["b"].wait()
    assert await handle.cancel(reason="enough") is True
    with pytest.raises(ProcessEndedError):
        await handle.result()
    info = await handle.info()
    assert info.status is ProcessStatus.CANCELLED
    assert info.steps["a"] == "completed"
    assert info.steps["b"] != "completed"
    assert info.steps["b"] != "running"
    assert (info.output, info.owner, info.deadline_at) == (None, None, None)
    late = await m.start(Process("q", {"b": forever}, timeout=2))
    with pytest.raises(ProcessEndedError):
        await late.result()
    info = await late.info()
    assert info.status is ProcessStatus.TIMED_OUT
    assert info.steps["b"] != "running"
    assert info.ended_at - info.started_at == timedelta(seconds=2)
    assert (info.owner, info.deadline_at) == (None, None)


async def test_a_cancelling_process(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", [slow_to_end]))
        await memory_world.probe.reached["slow_to_end"].wait()
        await handle.cancel(reason="enough")
        await until_status(handle, "cancelling")
        assert (await handle.info()).owner
        memory_world.probe.gates["slow_to_end"].set()
        with pytest.raises(ProcessEndedError):
            await handle.result()


async def test_progress_is_that_of_the_step_that_told_it(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": tell_progress, "b": gated}))
        await memory_world.probe.reached["a"].wait()
        await anyio.sleep(1)
        progress = (await handle.info()).progress
        assert (progress.done, progress.total, progress.text) == (3, 10, "three of ten")
        memory_world.probe.gates["a"].set()
        await memory_world.probe.reached["b"].wait()
        await anyio.sleep(1)
        progress = (await handle.info()).progress
        assert progress is None
        memory_world.probe.gates["b"].set()
        await handle.result()


async def test_a_context_says_where_it_is_in_each_attempt(m, probe):
    step = Step("told", tell_context, retry=Retry(attempts=3, delay=0.1, jitter=False))
    handle = await m.start(Process("p", {"a": grow, "told": step}))
    await handle.result()
    seen = [s for s in probe.seen if "key" in s]
    assert [s["attempt"] for s in seen] == [1, 2, 3]
    assert {s["pid"] for s in seen} == {handle.pid}
    assert {s["step"] for s in seen} == {"told"}
    assert len({s["key"] for s in seen}) == 1
    assert isinstance(seen[0]["key"], str)
    assert all(s["data"] == s["given"] == {"trail": ["a"]} for s in seen)


async def test_a_context_in_a_thread_is_the_same(m):
    handle = await m.start(Process("p", {"thread": tell_context_in_a_thread}), {"n": 1})
    out = await handle.result()
    assert (out["pid"], out["step"], out["attempt"], out["data"]) == (handle.pid, "thread", 1, {"n": 1})


async def test_idempotency_key_is_another_after_a_fork_and_the_same_after_a_retry(m, probe):
    step = Step("told", tell_context)
    handle = await m.start(Process("p", {"told": step}))
    for _ in range(2):
        with pytest.raises(ProcessEndedError):
            await handle.result()
        await handle.retry()
    await handle.result()
    forked = await handle.fork("told")
    with pytest.raises(ProcessEndedError):
        await forked.result()
    keys = [s["key"] for s in probe.seen]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


async def test_an_info_is_plain_data(m):
    handle = await m.start(Process("p", {"a": grow, "bad": fail}), {"n": 1}, tags=["t"])
    with pytest.raises(ProcessEndedError):
        await handle.result()
    info = await handle.info()
    again = msgspec.json.decode(msgspec.json.encode(info), type=type(info))
    assert again == info
    with pytest.raises(AttributeError):
        info.status = "queued"
