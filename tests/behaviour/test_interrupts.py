"""Interrupt and proceed: a pause after a checkpoint, and its answer."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import anyio
import msgspec
import pytest

from procactors import (
    Interrupt,
    InvalidDataError,
    NotInterruptedError,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    Step,
    StepStatus,
    UnknownProcessError,
)
from tests.behaviour.history import history, kinds, only, until
from tests.behaviour.steps import ask, echo, fail, gated, grow, note


class Decision(msgspec.Struct):
    approved: bool
    comment: str = ""


@dataclasses.dataclass
class DataclassDecision:
    approved: bool


async def asks_for_decision(data):
    return Interrupt({"page": 7}, schema=Decision)


async def asks_for_dataclass(data):
    return Interrupt({"page": 7}, schema=DataclassDecision)


async def asks_with_default(data):
    return Interrupt({"page": 7}, timeout=10, on_timeout={"approved": False})


async def asks_with_empty_default(data):
    return Interrupt({"page": 7}, timeout=10, on_timeout={})


async def asks_with_timeout(data):
    return Interrupt({"page": 7}, timeout=10)


async def asks_whatever(data):
    return Interrupt(data["ask"])


async def asks_nothing(data):
    return Interrupt()


async def asks_with_a_negative_timeout(data):
    return Interrupt({}, timeout=-1)


async def asks_with_what_json_can_not_hold(data):
    return Interrupt({"field": object()})


async def asks_with_a_default_that_json_can_not_hold(data):
    return Interrupt({}, timeout=1, on_timeout={"field": object()})


async def interrupted(m, process, data=None):
    handle = await m.start(process, data)
    await until(m, handle.pid, "ProcessInterrupted")
    return handle


async def test_a_step_that_returns_interrupt_pauses_the_process_after_its_checkpoint(m, probe):
    handle = await interrupted(m, Process("p", {"a": ask, "b": note}), {"x": 1})
    info = await handle.info()
    assert info.status == "interrupted"
    assert info.owner is None
    assert info.deadline_at is None
    assert info.steps == {"a": StepStatus.COMPLETED, "b": StepStatus.PENDING}
    assert info.last_completed_step == "a"
    assert info.interrupt.step == "a"
    assert info.interrupt.data == {"x": 1, "question": "?"}
    assert info.interrupt.schema is None
    assert info.interrupt.deadline_at is None
    events = await history_until_now(m, handle.pid)
    assert kinds(events)[-2:] == ["StepFinished", "ProcessInterrupted"]
    assert events[-2].output == {"x": 1, "question": "?"}
    assert (events[-1].step, events[-1].data) == ("a", {"x": 1, "question": "?"})
    assert probe.steps == ["a"]


async def history_until_now(m, pid):
    return await until(m, pid, "ProcessInterrupted")


async def test_proceed_merges_data_over_returned_data_and_the_same_pid_goes_on(m, probe):
    handle = await interrupted(m, Process("p", {"a": ask, "b": note}), {"x": 1})
    assert await m.proceed(handle.pid, {"x": 2, "approved": True}) == handle.pid
    assert await handle.result() == {"x": 2, "question": "?", "approved": True}
    assert probe.steps == ["a", "b"]
    assert (await handle.info()).interrupt is None


async def test_a_step_marked_as_interrupting_pauses_after_its_checkpoint(m):
    handle = await interrupted(m, Process("p", {"a": Step("a", grow, interrupts=True), "b": echo}), {"x": 1})
    info = await handle.info()
    assert info.interrupt.step == "a"
    assert info.interrupt.data == {"x": 1, "trail": ["a"]}
    await handle.proceed({"y": 2})
    assert await handle.result() == {"x": 1, "trail": ["a"], "y": 2}


async def test_a_marked_step_that_returns_an_interrupt_pauses_once(m):
    handle = await interrupted(m, Process("p", {"a": Step("a", ask, interrupts=True), "b": echo}))
    await handle.proceed()
    await handle.result()
    assert kinds(await history(m, handle.pid)).count("ProcessInterrupted") == 1


async def test_with_no_step_left_it_finishes_with_the_merged_data(m):
    handle = await interrupted(m, Process("p", [ask]), {"x": 1})
    await handle.proceed({"y": 2})
    assert await handle.result() == {"x": 1, "question": "?", "y": 2}
    assert kinds(await history(m, handle.pid))[-1] == "ProcessFinished"
    assert (await handle.info()).output == {"x": 1, "question": "?", "y": 2}


async def test_the_merge_is_shallow(m):
    process = Process("p", {"a": asks_whatever})
    handle = await interrupted(m, process, {"ask": {"deep": {"a": 1, "b": 2}, "c": 3}})
    await handle.proceed({"deep": {"a": 9}})
    assert await handle.result() == {"deep": {"a": 9}, "c": 3}


@pytest.mark.parametrize(
    ("asked", "answer", "merged"),
    [
        ({"a": 1}, [1], [1]),
        ({"a": 1}, "text", "text"),
        ({"a": 1}, 0, 0),
        ({"a": 1}, False, False),
        ({"a": 1}, "", ""),
        ({"a": 1}, [], []),
        ({"a": 1}, {}, {"a": 1}),
        ([1, 2], {"b": 1}, {"b": 1}),
        ("text", {"b": 1}, {"b": 1}),
        ({"a": 1}, None, {"a": 1}),
        ([1], None, [1]),
        (0, None, 0),
        ({"a": 1}, {"a": None}, {"a": None}),
    ],
)
async def test_mappings_merge_and_anything_else_replaces(m, asked, answer, merged):
    handle = await interrupted(m, Process("p", {"a": asks_whatever, "b": echo}), {"ask": asked})
    await handle.proceed(answer)
    assert await handle.result() == merged


async def test_proceed_without_data_goes_on_with_what_there_is(m):
    handle = await interrupted(m, Process("p", {"a": ask, "b": echo}), {"x": 1})
    await handle.proceed()
    assert await handle.result() == {"x": 1, "question": "?"}


async def test_an_interrupt_of_nothing_can_be_answered(m):
    handle = await interrupted(m, Process("p", {"a": asks_nothing, "b": echo}), {"x": 1})
    await handle.proceed({"y": 1})
    assert await handle.result() == {"y": 1}


async def test_of_many_concurrent_answers_exactly_one_wins(m, probe):
    handle = await interrupted(m, Process("p", {"a": ask, "b": note}))
    won, lost = await answer_at_once([m] * 20, handle.pid)
    assert len(won) == 1
    assert len(lost) == 19
    assert (await handle.result())["n"] == won[0]
    assert probe.steps == ["a", "b"]
    assert kinds(await history(m, handle.pid)).count("ProcessProceeded") == 1


async def test_of_concurrent_answers_on_two_managers_and_a_client_exactly_one_wins(file_world):
    async with (
        file_world.manager() as m,
        file_world.manager() as other,
        file_world.manager(run=False) as client,
    ):
        handle = await interrupted(m, Process("p", {"a": ask, "b": echo}))
        won, lost = await answer_at_once([m, other, client] * 4, handle.pid)
        assert len(won) == 1
        assert len(lost) == 11
        assert (await client.result(handle.pid))["n"] == won[0]


async def answer_at_once(managers, pid):
    won, lost = [], []

    async def answer(manager, n):
        try:
            await manager.proceed(pid, {"n": n})
        except NotInterruptedError:
            lost.append(n)
        else:
            won.append(n)

    async with anyio.create_task_group() as tasks:
        for n, manager in enumerate(managers):
            tasks.start_soon(answer, manager, n)
    return won, lost


async def test_two_questions_in_a_row_are_two_answers(m):
    handle = await interrupted(m, Process("p", {"a": ask, "b": ask, "c": echo}))
    seq = (await handle.info()).seq
    await handle.proceed({"first": 1})
    await until(m, handle.pid, "ProcessInterrupted", after=seq)
    assert (await handle.info()).interrupt.step == "b"
    await handle.proceed({"second": 2})
    assert await handle.result() == {"question": "?", "first": 1, "second": 2}
    assert [e.seq for e in await history(m, handle.pid)] == list(range(1, (await handle.info()).seq + 1))


async def test_only_an_interrupted_process_can_proceed(m, probe):
    running = await m.start(Process("p", [gated]))
    await probe.reached["gated"].wait()
    finished = await m.start(Process("p", [echo]))
    await finished.result()
    failed = await m.start(Process("p", [fail]))
    with pytest.raises(ProcessFailedError):
        await failed.result()
    delayed = await m.start(Process("p", [echo]), delay=1000)
    for handle in (running, finished, failed, delayed):
        with pytest.raises(NotInterruptedError) as caught:
            await handle.proceed({"x": 1})
        assert caught.value.pid == handle.pid
    with pytest.raises(UnknownProcessError):
        await m.proceed("0" * 32, {})
    probe.gates["gated"].set()
    assert await running.result() == {}
    await delayed.cancel()


@pytest.mark.parametrize("process", [asks_for_decision, asks_for_dataclass])
async def test_an_answer_that_does_not_fit_is_refused_and_the_process_stays_interrupted(m, process):
    handle = await interrupted(m, Process("p", {"a": process, "b": echo}))
    for wrong in ({"approved": "perhaps"}, {}, [], None, {"approved": None}, "yes"):
        with pytest.raises(InvalidDataError):
            await handle.proceed(wrong)
        assert (await handle.info()).status == "interrupted"
    await handle.proceed({"approved": True})
    assert await handle.result() == {"page": 7, "approved": True}
    assert kinds(await history(m, handle.pid)).count("ProcessProceeded") == 1


async def test_the_schema_is_shown_as_json_schema(m):
    handle = await interrupted(m, Process("p", [asks_for_decision]))
    (event,) = only(await history_until_now(m, handle.pid), "ProcessInterrupted")
    for schema in ((await handle.info()).interrupt.schema, event.schema):
        if "$ref" in schema:
            schema = schema["$defs"][schema["$ref"].rpartition("/")[2]]  # noqa: PLW2901 - the same, resolved
        assert schema["type"] == "object"
        assert schema["properties"]["approved"] == {"type": "boolean"}
        assert schema["required"] == ["approved"]


async def test_an_answer_that_json_can_not_hold_is_refused(m):
    handle = await interrupted(m, Process("p", [ask]))
    for wrong in ({"field": object()}, {"field": float("nan")}, "\ud800"):
        with pytest.raises(InvalidDataError):
            await handle.proceed(wrong)
    assert (await handle.info()).status == "interrupted"
    await handle.proceed()
    await handle.result()


async def test_a_question_answers_itself_when_nobody_does(world, probe):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": asks_with_default, "b": note}))
        info = await handle.info()
        assert info.interrupt.deadline_at - (await created(m, handle.pid)) == timedelta(seconds=10)
        await world.clock.advance(9.5)
        assert (await handle.info()).status == "interrupted"
        assert await handle.result() == {"page": 7, "approved": False}
        (event,) = only(await history(m, handle.pid), "ProcessProceeded")
        assert event.timed_out
        assert event.data == {"page": 7, "approved": False}
        assert event.at - info.interrupt.deadline_at < timedelta(seconds=0.2)


async def created(m, pid):
    (event,) = only(await until(m, pid, "ProcessInterrupted"), "ProcessInterrupted")
    return event.at


async def test_an_empty_default_answer_is_an_answer(world):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": asks_with_empty_default, "b": echo}))
        assert await handle.result() == {"page": 7}


async def test_a_timeout_without_a_default_ends_the_process_as_timed_out(world, probe):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": asks_with_timeout, "b": note}))
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        assert (await handle.info()).status == "timed_out"
        assert kinds(await history(m, handle.pid))[-1] == "ProcessTimedOut"
        with pytest.raises(NotInterruptedError):
            await handle.proceed({})
        assert probe.steps == []


async def test_an_answer_in_time_stops_the_clock_of_the_question(world):
    async with world.manager() as m:
        handle = await interrupted(m, Process("p", {"a": asks_with_timeout, "b": gated}))
        await world.clock.advance(9)
        await handle.proceed({"x": 1})
        await world.clock.advance(3)
        assert (await handle.info()).status == "running"
        world.probe.gates["b"].set()
        assert await handle.result() == {"page": 7, "x": 1}


async def test_the_timeout_of_a_question_passes_while_no_manager_runs(world):
    async with world.manager() as m:
        default = await interrupted(m, Process("p", {"a": asks_with_default, "b": echo}))
        none = await interrupted(m, Process("p", {"a": asks_with_timeout, "b": echo}))
        await m.kill()
    world.clock._now += 30
    async with world.manager() as m:
        assert await m.result(default.pid) == {"page": 7, "approved": False}
        with pytest.raises(ProcessTimedOutError):
            await m.result(none.pid)
