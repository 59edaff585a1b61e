"""Starting a process, and what can be read of it on its way."""

from __future__ import annotations

import contextvars
import gc
from datetime import UTC, timedelta

import anyio
import pytest

from procactors import (
    InvalidDataError,
    InvalidDefinitionError,
    ManagerOptions,
    Process,
    ProcessStatus,
    Step,
    StepNotResolvableError,
    StepStatus,
)
from procactors.actors import ReplySlot
from tests.behaviour.history import history, kinds, only
from tests.behaviour.steps import echo, gated, grow, note

REQUEST = contextvars.ContextVar("REQUEST", default="none")


async def sees_context(data):
    return {"request": REQUEST.get()}


async def returns_nothing(data):
    pass


async def test_pid_is_a_uuid7_of_32_hex_digits(m):
    handle = await m.start(Process("p", [echo]))
    assert len(handle.pid) == 32
    assert set(handle.pid) <= set("0123456789abcdef")
    assert handle.pid[12] == "7"
    assert handle.pid[16] in "89ab"


async def test_pids_of_one_manager_grow(m):
    pids = [(await m.start(Process("p", [echo]))).pid for _ in range(60)]
    assert pids == sorted(set(pids))


async def test_last_output_is_the_output_of_the_process(m):
    process = Process("p", {"a": grow, "b": grow, "c": grow})
    handle = await m.start(process, {"x": 1})
    assert await handle.result() == {"x": 1, "trail": ["a", "b", "c"]}
    assert await m.result(handle.pid) == {"x": 1, "trail": ["a", "b", "c"]}


async def test_each_step_gets_the_output_of_the_one_before(m, probe):
    handle = await m.start(Process("p", {"a": grow, "b": grow}), {})
    await handle.result()
    assert probe.seen == [{}, {"trail": ["a"]}]


async def test_no_data_is_an_empty_mapping(m, probe):
    await (await m.start(Process("p", [note]))).result()
    await (await m.start(Process("p", [note]), None)).result()
    assert probe.seen == [{}, {}]


@pytest.mark.parametrize("data", [0, False, "", [], 7.5, "text", [1, [2]], {"a": {"b": None}}])
async def test_any_json_value_is_data_also_a_false_one(m, data):
    output = await (await m.start(Process("p", [echo]), data)).result()
    assert output == data
    assert type(output) is type(data)


async def test_a_step_that_returns_nothing_has_the_output_none(m):
    assert await (await m.start(Process("p", [returns_nothing]), {"a": 1})).result() is None


async def test_a_list_of_callables_is_named_by_their_names(m):
    process = Process("p", [echo, grow])
    assert process.names == ("echo", "grow")
    handle = await m.start(process)
    await handle.result()
    assert list((await handle.info()).steps) == ["echo", "grow"]


async def test_events_of_a_process_tell_its_whole_story_in_order(m):
    handle = await m.start(Process("p", {"a": echo, "b": echo}), {"x": 1})
    await handle.result()
    events = await history(m, handle.pid)
    assert kinds(events) == [
        "ProcessQueued",
        "ProcessStarted",
        "StepStarted",
        "StepFinished",
        "StepStarted",
        "StepFinished",
        "ProcessFinished",
    ]
    assert [event.seq for event in events] == list(range(1, 8))
    assert {event.pid for event in events} == {handle.pid}
    assert [(e.step, e.attempt) for e in only(events, "StepStarted")] == [("a", 1), ("b", 1)]
    assert [(e.step, e.attempt, e.output) for e in only(events, "StepFinished")] == [
        ("a", 1, {"x": 1}),
        ("b", 1, {"x": 1}),
    ]
    assert events[-1].output == {"x": 1}
    assert events[0].name == "p"
    assert events[0].data == {"x": 1}


async def test_info_of_a_running_process_shows_where_it_is(m, probe):
    handle = await m.start(
        Process("p", {"a": echo, "b": gated, "c": echo}, timeout=30), {"x": 1}, key="k", tags=["red", "blue"]
    )
    await probe.reached["b"].wait()
    info = await handle.info()
    assert info.pid == handle.pid
    assert info.name == "p"
    assert info.key == "k"
    assert set(info.tags) == {"red", "blue"}
    assert info.status is ProcessStatus.RUNNING
    assert info.data == {"x": 1}
    assert info.output is None
    assert info.error is None
    assert info.interrupt is None
    assert info.steps == {"a": StepStatus.COMPLETED, "b": StepStatus.RUNNING, "c": StepStatus.PENDING}
    assert list(info.steps) == ["a", "b", "c"]
    assert info.last_completed_step == "a"
    assert info.attempt == 1
    assert info.parent_pid is None
    assert info.depth == 0
    assert info.owner == m.name
    assert info.ended_at is None
    assert info.created_at <= info.started_at
    assert info.deadline_at == info.started_at + timedelta(seconds=30)
    for moment in (info.created_at, info.started_at, info.deadline_at):
        assert moment.utcoffset() == timedelta(0)
        assert moment.tzinfo is UTC
    probe.gates["b"].set()
    await handle.result()


async def test_info_of_a_finished_process_shows_its_output_and_no_owner(m):
    handle = await m.start(Process("p", [echo]), {"x": 1})
    await handle.result()
    info = await handle.info()
    assert info.status is ProcessStatus.FINISHED
    assert info.output == {"x": 1}
    assert info.owner is None
    assert info.deadline_at is None
    assert info.steps == {"echo": StepStatus.COMPLETED}
    assert info.last_completed_step == "echo"
    assert info.created_at <= info.started_at <= info.ended_at


async def test_events_are_aware_of_utc(m):
    handle = await m.start(Process("p", [echo]))
    for event in await history(m, handle.pid):
        assert event.at.utcoffset() == timedelta(0)


async def test_a_started_process_can_be_read_at_once_by_another_manager(file_world):
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        handle = await m.start(Process("p", [echo]))
        assert (await client.info(handle.pid)).pid == handle.pid


async def test_start_does_not_wait_for_the_process(m, probe):
    handle = await m.start(Process("p", [gated]))
    assert (await handle.info()).status in {"queued", "running"}
    probe.gates["gated"].set()
    await handle.result()


async def test_a_delayed_process_sleeps_and_then_begins_on_time(world, probe):
    async with world.manager() as m:
        began = world.clock.wall()
        handle = await m.start(Process("p", [note]), delay=3)
        info = await handle.info()
        assert info.status is ProcessStatus.SLEEPING
        assert info.due_at == info.created_at + timedelta(seconds=3)
        assert info.owner is None
        await world.clock.advance(2.8)
        assert probe.calls == []
        await handle.result()
        assert 3 <= world.clock.wall() - began <= 3.1


async def test_a_delay_does_not_count_towards_the_timeout(world):
    async with world.manager() as m:
        handle = await m.start(Process("p", [echo], timeout=1), {"x": 1}, delay=5)
        assert await handle.result() == {"x": 1}


async def test_a_delay_of_zero_is_none(m):
    assert await (await m.start(Process("p", [echo]), {"x": 1}, delay=0)).result() == {"x": 1}


@pytest.mark.parametrize("delay", [-1, -0.001, float("nan"), float("inf")])
async def test_a_delay_that_is_none_is_refused_and_nothing_is_stored(m, delay):
    with pytest.raises(InvalidDefinitionError, match="delay"):
        await m.start(Process("p", [echo]), delay=delay)
    assert await m.list() == []


async def test_data_that_json_cannot_hold_is_refused_and_nothing_is_stored(m):
    with pytest.raises(InvalidDataError):
        await m.start(Process("p", [echo]), {"field": object()})
    assert await m.list() == []


async def test_a_step_that_is_not_known_is_refused_at_start(m):
    process = Process.from_spec({"name": "p", "steps": {"a": {"call": "nowhere.at_all:f"}}})
    with pytest.raises(StepNotResolvableError, match=r"nowhere\.at_all:f"):
        await m.start(process)
    assert await m.list() == []


async def test_a_missing_service_is_refused_at_start(m):
    process = Process("p", {"a": Step("a", note, services=("database",))})
    with pytest.raises(InvalidDefinitionError, match="database"):
        await m.start(process)
    assert await m.list() == []


async def test_something_that_is_no_definition_is_refused(m):
    for nothing in (None, "p", {"name": "p", "steps": {}}, [echo]):
        with pytest.raises((InvalidDefinitionError, TypeError)):
            await m.start(nothing)
    assert await m.list() == []


async def test_two_hundred_processes_side_by_side_all_finish_with_their_own_output(m):
    handles = [await m.start(Process("p", {"a": grow, "b": grow}), {"n": n}) for n in range(200)]
    outputs = [await handle.result() for handle in handles]
    assert [output["n"] for output in outputs] == list(range(200))
    assert {tuple(output["trail"]) for output in outputs} == {("a", "b")}


async def test_steps_do_not_see_the_context_variables_of_who_started_them(m):
    token = REQUEST.set("GET /")
    try:
        handle = await m.start(Process("p", [sees_context]))
        assert await handle.result() == {"request": "none"}
    finally:
        REQUEST.reset(token)


async def test_a_start_that_is_cancelled_leaves_nothing_or_a_whole_process(m):
    for turns in range(12):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_start, m, f"key {turns}")
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
    for info in await m.list():
        assert await m.result(info.pid) == {"x": 1}
    again = [await m.start(Process("p", [echo]), {"x": 1}, key=f"key {turns}") for turns in range(12)]
    assert [await handle.result() for handle in again] == [{"x": 1}] * 12


async def _start(m, key):
    await m.start(Process("p", [echo]), {"x": 1}, key=key)


async def test_options_without_an_end_are_limits_that_are_never_reached(world):
    endless = {name: float("inf") for name in ManagerOptions.__struct_fields__ if name.endswith("_s")}
    often = {"poll_active_s": 0.005, "poll_idle_s": 0.05}
    async with world.manager(options=ManagerOptions(**{**endless, **often})) as m:
        handle = await m.start(Process("p", [echo]), {"n": 1})
        assert await handle.result() == {"n": 1}


async def test_a_running_process_holds_nothing_of_what_has_started_it(memory_world, probe):
    async with memory_world.manager(max_running=300) as m:
        handles = [await m.start(Process("p", {"gated": gated})) for _ in range(300)]
        await anyio.wait_all_tasks_blocked()
        replies = [one for one in gc.get_objects() if type(one) is ReplySlot and one.is_answered]
        assert len(replies) < 200, "actors forget answered replies now and then, not at once"
        del replies
        probe.gates["gated"].set()
        for handle in handles:
            await handle.result()
