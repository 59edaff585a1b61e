"""Answers, typed data, and composites: what goes into steps and comes out of them."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from procactors import (
    Each,
    Interrupt,
    InvalidDataError,
    InvalidDefinitionError,
    Parallel,
    Process,
    ProcessEndedError,
    ProcessFailedError,
    Sleep,
)
from tests.behaviour.decisions import Attrs, Data, Struct, Typed
from tests.behaviour.history import history, kinds, until_status
from tests.behaviour.steps import ask, echo, grow

P = Process("p", [echo])


async def ask_struct(data):
    return Interrupt({"n": 1}, schema=Struct)


async def ask_dataclass(data):
    return Interrupt({"n": 1}, schema=Data)


async def ask_typed_dict(data):
    return Interrupt({"n": 1}, schema=Typed)


async def ask_attrs(data):
    return Interrupt({"n": 1}, schema=Attrs)


async def ask_with_default(data):
    return Interrupt({"n": 1, "deep": {"a": 1}}, timeout=10, on_timeout={"deep": {"b": 2}})


async def ask_without_anything(data):
    return Interrupt()


async def ask_for_no_time(data):
    return Interrupt({}, timeout=-1)


async def takes_struct(data: Struct):
    return {"is": type(data).__name__, "approved": data.approved}


async def takes_attrs(data: Attrs):
    return {"is": type(data).__name__, "approved": data.approved}


async def takes_typed_dict(data: Typed):
    return {"is": type(data).__name__, "approved": data["approved"]}


async def returns_struct(data):
    return Struct(approved=True)


async def returns_attrs(data):
    return Attrs(approved=True)


async def returns_a_moment(data):
    return {"at": datetime(2026, 1, 2, tzinfo=UTC), "tuple": (1, 2), "set": {1}}


async def ended(handle, kind=ProcessEndedError):
    with pytest.raises(kind) as caught:
        await handle.result()
    return caught.value


@pytest.mark.parametrize("asks", [ask_struct, ask_dataclass, ask_typed_dict, ask_attrs])
async def test_every_kind_of_type_checks_the_answer(m, asks):
    handle = await m.start(Process("p", [asks, echo]))
    await until_status(handle, "interrupted")
    for bad in [{"approved": "perhaps"}, {}, None, [], "yes", {"approved": None}]:
        if bad is None:
            continue
        with pytest.raises(InvalidDataError) as caught:
            await handle.proceed(bad)
        assert caught.value.pid == handle.pid
        assert (await handle.info()).status == "interrupted"
    await handle.proceed({"approved": True})
    output = await handle.result()
    assert (output["n"], output["approved"]) == (1, True)


async def test_an_answer_may_be_an_object_of_the_type(m):
    handle = await m.start(Process("p", [ask_struct, echo]))
    await until_status(handle, "interrupted")
    await handle.proceed(Struct(approved=True, note="fine"))
    assert await handle.result() == {"n": 1, "approved": True, "note": "fine"}


async def test_the_default_answer_is_merged_shallowly(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", [ask_with_default, echo]))
        await until_status(handle, "interrupted")
        assert await handle.result() == {"n": 1, "deep": {"b": 2}}
        assert "ProcessProceeded" in kinds(await history(m, handle.pid))


async def test_an_interrupt_of_nothing(m):
    handle = await m.start(Process("p", [ask_without_anything, echo]))
    await until_status(handle, "interrupted")
    await handle.proceed({"n": 1})
    assert await handle.result() == {"n": 1}


async def test_an_interrupt_with_a_negative_timeout_fails_the_step(m):
    handle = await m.start(Process("p", [ask_for_no_time, echo]))
    await ended(handle, ProcessFailedError)
    assert "timeout" in (await handle.info()).error.message


async def test_proceed_with_none_is_proceed_without_data(m):
    handle = await m.start(Process("p", [ask, echo]), {"n": 1})
    await until_status(handle, "interrupted")
    await handle.proceed(None)
    assert await handle.result() == {"n": 1, "question": "?"}


@pytest.mark.parametrize("answer", [False, 0, "", [], [1], "text", 7])
async def test_an_answer_that_is_no_mapping_replaces(m, answer):
    handle = await m.start(Process("p", [ask, echo]), {"n": 1})
    await until_status(handle, "interrupted")
    await handle.proceed(answer)
    assert await handle.result() == answer


@pytest.mark.parametrize(
    ("takes", "name"), [(takes_struct, "Struct"), (takes_attrs, "Attrs"), (takes_typed_dict, "dict")]
)
async def test_a_typed_first_parameter(m, takes, name):
    handle = await m.start(Process("p", [takes]), {"approved": True})
    assert await handle.result() == {"is": name, "approved": True}
    bad = await m.start(Process("p", [takes]), {"approved": "perhaps"})
    error = await ended(bad, ProcessFailedError)
    assert "approved" in str(error)


async def test_what_a_step_returns_goes_as_data(m):
    handle = await m.start(Process("p", [returns_struct, takes_attrs, returns_attrs, takes_struct]))
    assert await handle.result() == {"is": "Struct", "approved": True}
    other = await m.start(Process("q", [returns_a_moment]))
    assert await other.result() == {"at": "2026-01-02T00:00:00Z", "tuple": [1, 2], "set": [1]}


async def one_more(data):
    return {**data, "more": data.get("more", 0) + 1}


async def double(data):
    return data["n"] * 2


async def ignores(data):
    return None


async def test_a_parallel_in_a_parallel(m):
    inner = Parallel({"x": one_more, "y": one_more})
    handle = await m.start(Process("p", {"outer": Parallel({"a": inner, "b": one_more})}), {"n": 1})
    out = await handle.result()
    assert out == {"a": {"x": {"n": 1, "more": 1}, "y": {"n": 1, "more": 1}}, "b": {"n": 1, "more": 1}}


async def test_a_process_as_a_branch_and_as_the_step_of_each(m):
    inner = Process("inner", {"one": grow, "two": grow})
    handle = await m.start(Process("p", {"all": Parallel({"a": inner, "b": one_more})}), {})
    out = await handle.result()
    assert out == {"a": {"trail": ["one", "two"]}, "b": {"more": 1}}
    each = await m.start(
        Process("q", {"each": Each(inner, over="items", limit=2)}), {"items": [{"n": 1}, {"n": 2}]}
    )
    assert await each.result() == [{"n": 1, "trail": ["one", "two"]}, {"n": 2, "trail": ["one", "two"]}]


async def test_branches_that_return_nothing_have_the_output_none(m):
    handle = await m.start(Process("p", {"all": Parallel({"a": ignores, "b": one_more})}), {})
    assert await handle.result() == {"a": None, "b": {"more": 1}}


async def test_a_parallel_in_a_list_needs_a_name_or_has_one(m):
    try:
        process = Process("p", [Parallel({"a": one_more})])
    except InvalidDefinitionError:
        return
    handle = await m.start(process, {})
    assert await handle.result() == {"a": {"more": 1}}


class Gauge:
    inside = 0
    most = 0


async def counted(data, ctx):
    gauge = ctx.services["gauge"]
    gauge.inside += 1
    gauge.most = max(gauge.most, gauge.inside)
    await anyio.sleep(1)
    gauge.inside -= 1
    return data


@pytest.mark.parametrize("limit", [1, 3])
async def test_each_runs_no_more_than_its_limit(memory_world, limit):
    gauge = Gauge()
    async with memory_world.manager(services={"gauge": gauge}) as m:
        handle = await m.start(
            Process("p", {"each": Each(counted, over="items", limit=limit)}), {"items": list(range(7))}
        )
        assert await handle.result() == list(range(7))
        assert gauge.most == limit


@pytest.mark.parametrize("items", [None, "text", 7, {"a": 1}])
async def test_each_over_what_is_no_list_fails_and_names_the_field(m, items):
    handle = await m.start(Process("p", {"each": Each(echo, over="items")}), {"items": items})
    error = await ended(handle, ProcessFailedError)
    assert "items" in str(error)


async def gathers(data, ctx):
    return await ctx.gather((P, {"n": 1}, "a"), (P, {"n": 2}, "b"), (P, {"n": 3}, "c"))


async def gathers_nothing(data, ctx):
    return await ctx.gather()


async def runs_without_data(data, ctx):
    return await ctx.run(P)


async def runs_no_process(data, ctx):
    return await ctx.run("p", {})


async def runs_with_data_json_can_not_hold(data, ctx):
    return await ctx.run(P, {"o": object()})


async def test_children_by_run_and_gather(m):
    assert await (await m.start(Process("q", [gathers]))).result() == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert await (await m.start(Process("q", [gathers_nothing]))).result() == []
    assert await (await m.start(Process("q", [runs_without_data]))).result() == {}


@pytest.mark.parametrize("wrong", [runs_no_process, runs_with_data_json_can_not_hold])
async def test_a_wrong_child_fails_its_step(m, wrong):
    error = await ended(await m.start(Process("q", {"wrong": wrong})), ProcessFailedError)
    assert error.step == "wrong"
    assert len(await m.list()) == 1


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", None, True])
def test_a_sleep_of_no_time_is_refused(wrong):
    with pytest.raises(InvalidDefinitionError):
        Sleep(wrong)


def test_a_sleep_until_a_naive_moment_is_refused():
    with pytest.raises(InvalidDefinitionError):
        Sleep(until=datetime(2030, 1, 1))  # noqa: DTZ001 - naive on purpose
