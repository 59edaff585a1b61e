"""Sentences of the small print that no other file asks about."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import anyio
import pytest

from procactors import (
    Interrupt,
    InvalidDefinitionError,
    InvalidStateError,
    ManagerOptions,
    PayloadTooLargeError,
    Process,
    ProcessEndedError,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    StepNotResolvableError,
)
from tests.behaviour.history import history, kinds, until, until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, forever, gated, grow, note, sleeps


async def ask_twice(data, ctx):
    return Interrupt({**data, ctx.step: "?"}, timeout=100, on_timeout={ctx.step: "!"})


async def beats_in_a_loop(data, ctx):
    for _ in range(data["times"]):
        ctx.heartbeat()
        await anyio.sleep(0.9)
    return data


async def mutates(data, ctx):
    ctx.services["probe"].seen.append(list(data["items"]))
    data["items"].append("changed")
    if ctx.attempt < 3:
        raise OSError("again")
    return data


async def keeps_input(data, ctx):
    ctx.services["probe"].seen.append(data)


async def undo_with_context(data, ctx):
    ctx.services["probe"].calls.append((ctx.step, data))


class UndoClass:
    def __init__(self, word, probe):
        self.word, self.probe = word, probe

    async def execute(self, data):
        self.probe.calls.append((self.word, data))


async def ended(handle, kind=ProcessEndedError):
    with pytest.raises(kind) as caught:
        await handle.result()
    return caught.value


async def test_proceed_starts_the_timeout_anew_each_time(memory_world):
    process = Process("p", {"a": sleeps, "ask": ask, "b": sleeps, "again": ask, "c": sleeps}, timeout=10)
    async with memory_world.manager() as m:
        handle = await m.start(process, {"s": 9})
        for _ in range(2):
            await until_status(handle, "interrupted")
            await anyio.sleep(1000)
            await handle.proceed({})
            info = await handle.info()
        assert (await handle.result())["s"] == 9
        assert info.status != "timed_out"


async def test_two_steps_that_answer_themselves(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"a": ask_twice, "b": ask_twice, "c": echo}, timeout=5))
        assert await handle.result() == {"a": "!", "b": "!"}
        info = await handle.info()
        assert info.ended_at - info.created_at == timedelta(seconds=200)


async def test_each_attempt_gets_what_the_first_got(m, probe):
    step = Step("s", mutates, retry=Retry(attempts=3, delay=0.1, jitter=False))
    handle = await m.start(Process("p", [step]), {"items": [1]})
    assert await handle.result() == {"items": [1, "changed"]}
    assert probe.seen == [[1]] * 3


async def test_a_step_that_beats_outlives_many_heartbeats(memory_world):
    async with memory_world.manager() as m:
        step = Step("s", beats_in_a_loop, heartbeat=1)
        handle = await m.start(Process("p", [step], timeout=None), {"times": 50})
        await handle.result()


async def test_a_timeout_of_a_step_is_failed_and_of_a_process_timed_out(m):
    of_step = await m.start(Process("p", {"s": Step("s", forever, timeout=1)}))
    error = await ended(of_step, ProcessFailedError)
    assert (error.step, error.attempt) == ("s", 1)
    assert "1" in str(error)
    of_process = await m.start(Process("p", {"s": forever}, timeout=1))
    await ended(of_process, ProcessTimedOutError)


async def test_a_step_timeout_with_a_retry_is_tried_again_and_counts_attempts(m):
    step = Step("s", forever, timeout=1, retry=Retry(attempts=3, delay=1, jitter=False, on=("TimeoutError",)))
    handle = await m.start(Process("p", [step]))
    error = await ended(handle, ProcessFailedError)
    assert error.attempt == 3


async def test_undo_gets_the_output_of_its_step_as_function_class_and_reference(m, probe):
    undo_class = Step("u", UndoClass, args=["by class"], services=["probe"])
    by_reference = "tests.behaviour.test_public_face_promises:undo_with_context"
    process = Process(
        "p",
        {
            "a": Step("a", grow, undo=undo_with_context),
            "b": Step("b", grow, undo=undo_class),
            "c": Step("c", grow, undo=by_reference),
            "bad": Step("bad", fail, undo=undo_with_context),
        },
    )
    handle = await m.start(process)
    await ended(handle, ProcessFailedError)
    undone = [output for _, output in probe.calls if isinstance(output, dict)]
    assert undone == [{"trail": ["a", "b", "c"]}, {"trail": ["a", "b"]}, {"trail": ["a"]}]


async def test_a_skipped_step_and_a_rewind_keep_the_recorded_input(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"a": grow, "often": fail_often, "c": keeps_input}))
    await ended(handle)
    await handle.skip("often")
    await handle.result()
    assert (await handle.info()).steps["often"] == "skipped"
    await handle.rewind("c")
    await handle.result()
    assert [s for s in probe.seen if s.get("trail") == ["a"]][-2:] == [{"trail": ["a"]}] * 2


async def test_rewind_and_fork_of_no_such_step_and_of_a_running_process(m, probe):
    handle = await m.start(Process("p", {"a": gated}))
    await probe.reached["a"].wait()
    with pytest.raises(InvalidStateError):
        await handle.rewind("a")
    with pytest.raises((InvalidStateError, InvalidDefinitionError)):
        await handle.fork("nowhere")
    probe.gates["a"].set()
    await handle.result()


async def test_a_key_of_a_fork_is_not_that_of_the_first(m):
    handle = await m.start(Process("p", {"a": grow}), key="k")
    await handle.result()
    forked = await handle.fork("a")
    await forked.result()
    assert (await forked.info()).key is None
    assert (await m.start(Process("p", {"a": grow}), key="k")).pid == handle.pid


async def test_a_client_refuses_what_is_wrong_with_a_definition_but_not_what_it_can_not_run(world):
    async with world.manager(run=False) as client:
        handle = await client.start(Process("p", {"a": "not.there:function"}))
        assert (await handle.info()).status == "queued"
    async with world.manager() as m:
        with pytest.raises(StepNotResolvableError) as caught:
            await m.start(Process("p", {"a": "not.there:function"}))
        assert caught.value.step == "a"
        with pytest.raises(InvalidDefinitionError):
            await m.start(Process("p", {"a": Step("a", echo, services=["missing"])}))


async def test_the_limit_of_payloads_says_how_much(memory_world):
    async with memory_world.manager(options=ManagerOptions(payload_limit_bytes=100)) as m:
        with pytest.raises(PayloadTooLargeError, match="100"):
            await m.start(Process("p", [echo]), {"text": "x" * 100})
        assert await m.list() == []


async def test_a_process_deleted_by_retention_is_unknown(memory_world):
    async with memory_world.manager(options=ManagerOptions(keep_ended_s=10)) as m:
        handle = await m.start(Process("p", [ask]))
        ended_one = await m.start(Process("p", [echo]))
        await ended_one.result()
        await until_status(handle, "interrupted")
        await anyio.sleep(1000)
        assert [i.pid for i in await m.list()] == [handle.pid]


async def test_a_blocked_event_says_why(memory_world):
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process("p", {"a": "not.there:function"}))
    async with memory_world.manager(options=ManagerOptions(blocked_after_s=5)) as m:
        events = await until(m, handle.pid, "ProcessBlocked")
        assert "not.there:function" in events[-1].reason
        info = await m.info(handle.pid)
        assert info.status == "blocked"
        assert (info.owner, info.deadline_at) == (None, None)


async def test_cancel_is_false_for_every_kind_of_end(m):
    for process in [
        Process("p", [echo]),
        Process("p", [fail]),
        Process("p", {"s": forever}, timeout=1),
    ]:
        handle = await m.start(process)
        with contextlib.suppress(ProcessEndedError):
            await handle.result()
        assert await handle.cancel(reason="late") is False
        assert "ProcessCancelRequested" not in kinds(await history(m, handle.pid))


async def test_a_sleep_in_a_list_is_named_and_may_be_rewound_to(m, probe):
    handle = await m.start(Process("p", {"a": note, "nap": Sleep(5), "b": note}), {"n": 1})
    await handle.result()
    await handle.rewind("nap")
    assert await handle.result() == {"n": 1}
    assert probe.steps == ["a", "b", "b"]
