"""Reading processes: one, some, all, by anyone."""

from __future__ import annotations

import pytest

from procactors import (
    Process,
    ProcessFailedError,
    ProcessStatus,
    UnknownProcessError,
)
from tests.behaviour.history import until
from tests.behaviour.steps import ask, echo, fail, gated

MALFORMED = ["", "x", "0" * 31, "0" * 33, "g" * 32, "0" * 31 + "\n", "ü" * 32, "../../etc", "' OR 1=1 --"]


async def some_of_each(m, probe):
    """Start one process of each status that is easily had; return their pids by status."""
    pids = {}
    finished = await m.start(Process("good", [echo]), {"x": 1})
    await finished.result()
    pids["finished"] = finished.pid
    failed = await m.start(Process("bad", [fail]))
    with pytest.raises(ProcessFailedError):
        await failed.result()
    pids["failed"] = failed.pid
    asked = await m.start(Process("good", [ask]))
    await until(m, asked.pid, "ProcessInterrupted")
    pids["interrupted"] = asked.pid
    pids["sleeping"] = (await m.start(Process("good", [echo]), delay=10_000)).pid
    running = await m.start(Process("slow", [gated]))
    await probe.reached["gated"].wait()
    pids["running"] = running.pid
    gone = await m.start(Process("good", [echo]), delay=10_000)
    await gone.cancel()
    pids["cancelled"] = gone.pid
    return pids


@pytest.mark.parametrize("pid", ["0" * 32, "f" * 32, *MALFORMED])
async def test_an_unknown_or_malformed_pid_is_an_unknown_process(m, pid):
    await m.start(Process("p", [echo]))
    for call in (m.info, m.result, m.proceed, m.cancel, m.retry):
        with pytest.raises(UnknownProcessError) as caught:
            await call(pid)
        assert caught.value.pid == pid
    with pytest.raises(UnknownProcessError):
        async with m.subscribe(pid):
            pytest.fail("it was entered")


@pytest.mark.parametrize("pid", [None, 7, b"0" * 32, ["0" * 32]])
async def test_what_is_no_text_is_no_pid(m, pid):
    for call in (m.info, m.result, m.cancel):
        with pytest.raises((UnknownProcessError, TypeError)):
            await call(pid)


async def test_a_pid_in_capitals_is_the_same_or_unknown(m):
    handle = await m.start(Process("p", [echo]))
    try:
        info = await m.info(handle.pid.upper())
    except UnknownProcessError:
        return
    assert info.pid == handle.pid


async def test_a_handle_has_the_verbs_of_the_manager_without_the_pid(m):
    handle = m.handle((await m.start(Process("p", [ask]))).pid)
    await until(m, handle.pid, "ProcessInterrupted")
    assert (await handle.info()).pid == handle.pid
    assert await handle.proceed({"y": 1}) == handle.pid
    assert await handle.result(timeout=30) == {"question": "?", "y": 1}
    assert await handle.cancel(reason="late") is False
    async with handle.subscribe(after=2) as events:
        assert (await anext(events)).seq == 3
    with pytest.raises(UnknownProcessError):
        await m.handle("0" * 32).info()


async def test_list_is_newest_first(m):
    pids = [(await m.start(Process("p", [echo]))).pid for _ in range(20)]
    assert [info.pid for info in await m.list()] == pids[::-1]


async def test_pages_of_a_list_follow_each_other(m):
    pids = [(await m.start(Process("p", [echo]))).pid for _ in range(25)]
    found, after = [], None
    while page := await m.list(limit=10, after=after):
        assert len(page) <= 10
        found += [info.pid for info in page]
        after = found[-1]
    assert found == pids[::-1]


async def test_a_hundred_is_the_default_and_any_limit_is_taken(m):
    for _ in range(130):
        await m.start(Process("p", [echo]), delay=10_000)
    assert len(await m.list()) == 100
    assert len(await m.list(limit=130)) == 130
    assert len(await m.list(limit=10**12)) == 130
    assert len(await m.list(limit=1)) == 1


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused(m, limit):
    with pytest.raises(ValueError, match="limit"):
        await m.list(limit=limit)


async def test_list_by_status_name_enum_or_several(m, probe):
    pids = await some_of_each(m, probe)
    for status, pid in pids.items():
        assert [info.pid for info in await m.list(status)] == [pid]
        assert [info.pid for info in await m.list(ProcessStatus(status))] == [pid]
        assert [info.status for info in await m.list(status)] == [status]
    for several in (
        ["failed", "running"],
        {ProcessStatus.FAILED, "running"},
        ("running", "failed", "failed"),
    ):
        assert [info.pid for info in await m.list(several)] == [pids["running"], pids["failed"]]
    assert await m.list("timed_out") == []
    assert len(await m.list(list(ProcessStatus))) == len(pids)
    probe.gates["gated"].set()


async def test_list_of_no_status_at_all_is_empty(m):
    await m.start(Process("p", [echo]))
    assert await m.list([]) == []


async def test_list_of_a_wrong_status_is_refused(m):
    for wrong in ("done", "FINISHED", ["finished", "done"], ""):
        with pytest.raises(ValueError, match=r"(?i)status"):
            await m.list(wrong)


async def test_list_by_name_of_the_definition(m, probe):
    pids = await some_of_each(m, probe)
    assert [info.pid for info in await m.list(name="bad")] == [pids["failed"]]
    assert {info.name for info in await m.list(name="good")} == {"good"}
    assert [info.pid for info in await m.list("sleeping", name="good")] == [pids["sleeping"]]
    assert await m.list("sleeping", name="bad") == []
    assert await m.list(name="") == []
    probe.gates["gated"].set()


async def test_a_list_goes_on_after_a_pid_that_was_deleted_meanwhile(memory_world):
    async with memory_world.manager() as m:
        older = await m.start(Process("p", [echo]), delay=10_000_000)
        last_of_page = await m.start(Process("p", [echo]))
        await memory_world.clock.advance("2d")
        with pytest.raises(UnknownProcessError):
            await last_of_page.info()
        assert [info.pid for info in await m.list(after=last_of_page.pid)] == [older.pid]


async def test_list_after_a_strange_pid_does_not_break(m):
    await m.start(Process("p", [echo]))
    assert await m.list(after="0" * 32) == []
    with pytest.raises((UnknownProcessError, ValueError)):
        await m.list(after="not a pid")


async def test_counts_has_each_status(m, probe):
    pids = await some_of_each(m, probe)
    counts = await m.counts()
    for status in ProcessStatus:
        assert counts.get(status, 0) == (1 if status in pids else 0)
    assert counts["finished"] == 1
    probe.gates["gated"].set()


async def test_infos_of_a_list_are_whole(m, probe):
    pids = await some_of_each(m, probe)
    for info in await m.list():
        assert info == await m.info(info.pid)
    (failed,) = await m.list("failed")
    assert failed.error.message == "no good"
    (finished,) = await m.list("finished")
    assert finished.output == {"x": 1}
    (asked,) = await m.list("interrupted")
    assert asked.interrupt.data == {"question": "?"}
    assert set(pids) == {info.status for info in await m.list()}
    probe.gates["gated"].set()


async def test_info_has_the_seq_of_its_last_event(m, probe):
    handle = await m.start(Process("p", {"a": echo, "gated": gated, "b": echo}))
    await probe.reached["gated"].wait()
    info = await handle.info()
    assert info.seq == 5
    probe.gates["gated"].set()
    async with handle.subscribe(after=info.seq) as events:
        assert [event.seq async for event in events] == [6, 7, 8, 9]


@pytest.mark.parametrize("timeout", [0, 0.5, -1])
async def test_a_result_that_is_not_there_in_time_leaves_the_process_going(m, probe, timeout):
    handle = await m.start(Process("p", [gated]), {"x": 1})
    await probe.reached["gated"].wait()
    with pytest.raises(TimeoutError):
        await handle.result(timeout=timeout)
    assert (await handle.info()).status == "running"
    assert probe.cleaned == []
    probe.gates["gated"].set()
    assert await handle.result(timeout=30) == {"x": 1}
    assert await handle.result(timeout=0.0001) == {"x": 1}


async def three_children(data, ctx):
    return await ctx.gather(*[(Process("child", [echo]), n, f"n{n}") for n in range(3)])


async def test_children_are_listed_by_their_parent(m):
    parent = await m.start(Process("parent", [three_children]))
    await parent.result()
    children = await m.list(parent=parent.pid)
    assert [(info.name, info.parent_pid, info.depth) for info in children] == [("child", parent.pid, 1)] * 3
    assert await m.list("finished", "child", parent=parent.pid, after=children[0].pid) == children[1:]
    assert await m.list("failed", parent=parent.pid) == []
    assert await m.list(parent=children[0].pid) == []


async def test_processes_are_searched_by_name_key_tag_and_pid(m):
    one = await m.start(Process("Send mail", [echo]), key="order-1", tags=["blue"])
    two = await m.start(Process("send parcel", [echo]), key="order-2")
    await one.result()
    await two.result()

    async def found(text, **more):
        return [info.pid for info in await m.list(search=text, **more)]

    assert await found("SEND") == await found("order-") == await found("") == [two.pid, one.pid]
    assert await found("mail") == await found("order-1") == await found("blue") == [one.pid]
    assert await found(two.pid[:30]) == [two.pid]
    assert await found("send", status="failed") == await found("rder-1") == await found("blu") == []
    assert await found("send", after=two.pid) == await found("send", name="Send mail") == [one.pid]
    assert await found("\0") == await found("\ud800") == await found("%") == await found("' OR 1=1 --") == []
    assert await m.list(name="\0") == await m.list(name="\ud800") == []


@pytest.mark.parametrize("wanted", [{"search": 7}, {"search": b"x"}, {"search": "x", "parent": "0" * 32}])
async def test_a_search_that_makes_no_sense_is_refused(m, wanted):
    with pytest.raises(ValueError, match="search"):
        await m.list(**wanted)


async def test_names_and_since_when_the_oldest_waits_are_known(m):
    assert await m.names() == []
    await (await m.start(Process("runs", [echo]))).result()
    await m.pause("waits")
    await m.start(Process("waits", [echo]))
    assert await m.names() == ["runs", "waits"]
    total, waits = await m.queues()
    assert waits.oldest_due_at == total.oldest_due_at is not None


async def test_a_status_that_is_none_is_refused_with_those_there_are(world):
    async with world.manager() as m:
        with pytest.raises(ValueError, match="no status 'bogus': it is one of queued, running"):
            await m.list(status="bogus")
