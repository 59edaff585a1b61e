"""Each argument of `start`, `list`, `result` and the other verbs, and of a manager."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procactors import (
    InvalidDataError,
    InvalidDefinitionError,
    InvalidStateError,
    InvalidStoreError,
    KeyConflictError,
    ManagerOptions,
    NotInterruptedError,
    Process,
    ProcessCancelledError,
    ProcessEndedError,
    ProcessFailedError,
    ProcessHandle,
    ProcessManager,
    ProcessStatus,
    ProcessTimedOutError,
    UnknownProcessError,
)
from tests.behaviour.decisions import Attrs, Data, Struct
from tests.behaviour.history import until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, forever, gated, grow, note

P = Process("p", [echo])


async def ended(handle, kind=ProcessEndedError):
    with pytest.raises(kind) as caught:
        await handle.result()
    return caught.value


async def test_start_gives_a_handle_with_a_text_pid(m):
    handle = await m.start(P)
    assert isinstance(handle, ProcessHandle)
    assert isinstance(handle.pid, str)
    assert len(handle.pid) == 32
    assert m.handle(handle.pid).pid == handle.pid
    assert await m.handle(handle.pid).result() == {}


async def test_data_may_be_given_by_name(m):
    handle = await m.start(process=P, data={"n": 1})
    assert await handle.result() == {"n": 1}


async def test_data_may_be_a_typed_object(m):
    for data in [Struct(approved=True), Data(approved=True), Attrs(approved=True)]:
        handle = await m.start(P, data)
        assert await handle.result() == {"approved": True, "note": ""}


@pytest.mark.parametrize("scope", ["wrong", "", None, 1])
async def test_a_wrong_scope_of_a_key_is_refused(m, scope):
    with pytest.raises((InvalidDefinitionError, InvalidDataError, ValueError, TypeError)):
        await m.start(P, key="k", key_scope=scope)
    assert await m.list() == []


async def test_key_conflict_names_the_process_that_holds_it(m):
    first = await m.start(P, key="k")
    with pytest.raises(KeyConflictError) as caught:
        await m.start(P, key="k", on_conflict="raise")
    assert caught.value.pid == first.pid
    assert "k" in str(caught.value)
    assert first.pid in str(caught.value)


@pytest.mark.parametrize("on_conflict", ["return", "raise", "replace", "skip"])
async def test_every_word_for_a_conflict_just_starts_when_there_is_none(m, on_conflict):
    handle = await m.start(P, {"n": 1}, key="k", on_conflict=on_conflict, key_scope="active")
    assert await handle.result() == {"n": 1}
    again = await m.start(P, {"n": 2}, key="k", on_conflict=on_conflict, key_scope="active")
    assert again.pid != handle.pid
    assert await again.result() == {"n": 2}


async def test_priority_may_be_negative_and_goes_last(memory_world):
    async with memory_world.manager(max_running=1) as m:
        first = await m.start(Process("first", [gated]))
        await memory_world.probe.reached["gated"].wait()
        handles = [
            await m.start(Process("p", {f"s{priority}": note}), priority=priority)
            for priority in [-5, 0, 7, -1, 3]
        ]
        memory_world.probe.gates["gated"].set()
        for handle in [first, *handles]:
            await handle.result()
        assert memory_world.probe.steps == ["gated", "s7", "s3", "s0", "s-1", "s-5"]


async def test_a_delay_and_a_priority_together(memory_world):
    async with memory_world.manager() as m:
        handle = await m.start(P, delay=5.5, priority=3)
        assert (await handle.info()).status == "sleeping"
        await handle.result()
        info = await handle.info()
        assert info.started_at - info.created_at == timedelta(seconds=5.5)


async def test_tags_come_back_in_order_and_as_given(m):
    handle = await m.start(P, tags=["b", "a", "ü"])
    assert list((await handle.info()).tags) == ["b", "a", "ü"]
    bare = await m.start(P)
    assert list((await bare.info()).tags) == []


async def test_two_definitions_of_a_name_side_by_side(m):
    one = await m.start(Process("p", {"a": grow}))
    two = await m.start(Process("p", {"b": grow}))
    assert await one.result() == {"trail": ["a"]}
    assert await two.result() == {"trail": ["b"]}


async def test_list_takes_everything_at_once(m):
    pids = []
    for number in range(6):
        handle = await m.start(Process("even" if number % 2 == 0 else "odd", [echo]), {"n": number})
        await handle.result()
        pids.append(handle.pid)
    newest = list(reversed(pids))
    assert [i.pid for i in await m.list()] == newest
    assert [i.pid for i in await m.list(name="even")] == newest[1::2]
    assert [i.pid for i in await m.list(name="even", after=newest[1], limit=1)] == [newest[3]]
    assert [i.pid for i in await m.list("finished", "odd")] == newest[::2]
    assert await m.list(status="failed", name="even") == []
    for several in [
        ["finished", "failed"],
        {"finished"},
        ("failed", ProcessStatus.FINISHED),
        {ProcessStatus.FINISHED},
    ]:
        assert [i.pid for i in await m.list(status=several)] == newest
    assert [i.pid for i in await m.list(status=ProcessStatus.FINISHED, limit=2, after=newest[1])] == newest[
        2:4
    ]
    assert await m.list(after=newest[-1]) == []
    assert len(await m.list(limit=10**12)) == 6
    assert await m.list(name="nobody") == []


async def test_list_of_statuses_from_an_iterator(m):
    await (await m.start(P)).result()
    assert len(await m.list(status=iter(["finished"]))) == 1


async def test_result_has_a_timeout_that_leaves_the_process_going(m, probe):
    handle = await m.start(Process("p", [gated]))
    for timeout in [0, 0.1, 1]:
        with pytest.raises(TimeoutError):
            await handle.result(timeout=timeout)
    with pytest.raises(TimeoutError):
        await m.result(handle.pid, timeout=0.1)
    assert (await handle.info()).status == "running"
    probe.gates["gated"].set()
    assert await handle.result(timeout=30) == {}
    assert await handle.result(timeout=0) == {}


async def test_each_end_has_its_error_with_pid_and_step(m, probe):
    failed = await m.start(Process("p", {"bad": fail}))
    error = await ended(failed, ProcessFailedError)
    assert (error.pid, error.step, error.attempt) == (failed.pid, "bad", 1)
    assert "no good" in str(error)
    assert "\n" not in str(error)
    timed_out = await m.start(Process("p", {"slow": forever}, timeout=1))
    error = await ended(timed_out, ProcessTimedOutError)
    assert error.pid == timed_out.pid
    cancelled = await m.start(Process("p", {"slow": forever}))
    await cancelled.cancel(reason="enough")
    error = await ended(cancelled, ProcessCancelledError)
    assert error.pid == cancelled.pid
    assert "enough" in str(error)


UNKNOWN = "0" * 32


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("info", ()),
        ("result", ()),
        ("proceed", ({},)),
        ("cancel", ()),
        ("retry", ()),
        ("rewind", ("a",)),
        ("skip", ("a",)),
        ("fork", ("a",)),
    ],
)
async def test_every_verb_says_that_a_pid_is_unknown(m, verb, more):
    with pytest.raises(UnknownProcessError) as caught:
        await getattr(m, verb)(UNKNOWN, *more)
    assert caught.value.pid == UNKNOWN
    with pytest.raises(UnknownProcessError):
        await getattr(m.handle(UNKNOWN), verb)(*more)


async def test_every_verb_in_the_wrong_status_says_so_with_the_pid(m):
    handle = await m.start(P)
    await handle.result()
    for verb, more, kind in [
        ("proceed", ({},), NotInterruptedError),
        ("retry", (), InvalidStateError),
        ("skip", ("echo",), InvalidStateError),
    ]:
        with pytest.raises(kind) as caught:
            await getattr(handle, verb)(*more)
        assert caught.value.pid == handle.pid
        assert "finished" in str(caught.value)


async def test_what_the_verbs_return(m, probe):
    handle = await m.start(Process("p", {"ask": ask, "b": fail_often}))
    probe.failures = 2
    await until_status(handle, "interrupted")
    assert await m.proceed(handle.pid) == handle.pid
    await ended(handle)
    assert await m.retry(handle.pid) in {None, handle.pid}
    await ended(handle)
    assert await m.skip(handle.pid, "b") in {None, handle.pid}
    await handle.result()
    assert await m.rewind(handle.pid, "b") in {None, handle.pid}
    await handle.result()
    assert isinstance(await m.fork(handle.pid, "b"), ProcessHandle)
    assert await m.cancel(handle.pid) is False


@pytest.mark.parametrize("url", ["", "nowhere", "mysql://x", "sqlite:/x.db", None, 7, "http://x"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(InvalidStoreError) as caught:
        ProcessManager(url)
    assert str(caught.value)


async def test_services_are_not_shared_between_managers_and_defaults_not_mutated(tmp_path):
    one, two = ProcessManager(f"sqlite:///{tmp_path}/a.db"), ProcessManager(f"sqlite:///{tmp_path}/b.db")
    assert one is not two
    async with one, two:
        handle = await one.start(P)
        await handle.result()
        with pytest.raises(UnknownProcessError):
            await two.info(handle.pid)


async def test_a_manager_opened_and_closed_by_hand(tmp_path):
    manager = ProcessManager(f"sqlite:///{tmp_path}/a.db", name="by hand", options=ManagerOptions(grace_s=1))
    await manager.open()
    try:
        assert await (await manager.start(P, {"n": 1})).result() == {"n": 1}
    finally:
        await manager.close()
    assert repr(manager)


async def test_the_lifespan_takes_any_app(tmp_path):
    manager = ProcessManager(f"sqlite:///{tmp_path}/a.db")
    async with manager.lifespan(object()):
        assert await (await manager.start(P)).result() == {}


async def test_a_url_with_an_option_and_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with ProcessManager("sqlite:///relative.db?synchronous=NORMAL") as manager:
        assert await (await manager.start(P)).result() == {}
    assert (tmp_path / "relative.db").exists()
    with pytest.raises(InvalidStoreError):
        async with ProcessManager("sqlite:///relative.db?synchronus=NORMAL"):
            pass
    with pytest.raises(InvalidStoreError):
        async with ProcessManager("sqlite:///relative.db?synchronous=PERHAPS"):
            pass


@pytest.mark.parametrize("after", ["x", "3", 1.5, 10**30])
async def test_after_what_no_event_can_be_is_refused(m, after):
    handle = await m.start(P)
    with pytest.raises(ValueError, match="after"):
        m.subscribe(handle.pid, after=after)
    with pytest.raises(ValueError, match="after"):
        m.subscribe(after=after)


@pytest.mark.parametrize("limit", [None, "3", 2.5])
async def test_a_limit_that_is_no_number_is_refused(m, limit):
    with pytest.raises(ValueError, match="limit"):
        await m.list(limit=limit)
