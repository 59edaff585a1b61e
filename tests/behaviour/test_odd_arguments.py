"""Arguments that are of the right type, or nearly, and hard to store: none may hurt anybody else."""

from __future__ import annotations

import asyncio
import contextlib

import anyio
import pytest

from procactors import (
    Interrupt,
    InvalidDefinitionError,
    InvalidStateError,
    ProcactorsError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessManager,
    RetryAfter,
    Step,
)
from tests.behaviour.history import until_status
from tests.behaviour.steps import ask, echo, gated

P = Process("p", [echo])
HUGE = 1e12  # seconds; beyond the year 9999
LONE = "\ud800"


async def tells_odd_progress(data, ctx):
    ctx.progress(*ODD_PROGRESS[data["odd"]])
    ctx.services["probe"].reached["told"].set()
    await ctx.services["probe"].gates["told"].wait()
    return data


async def comes_back_in_ages(data):
    raise RetryAfter(HUGE)


async def asks_for_ages(data):
    return Interrupt({}, timeout=HUGE)


ODD_PROGRESS = {
    "nan": (float("nan"), 1),
    "infinite": (1, float("inf")),
    "negative": (-5, -1),
    "more than all": (9, 3),
    "surrogate": (1, 2, LONE),
    "long": (1, 2, "x" * 3_000_000),
    "text": ("half", 2),
    "object": (1, 2, object()),
    "none": (None, None, None),
}


async def works(m):
    """The manager still does what it should, for everybody else."""
    with anyio.fail_after(30):
        assert await (await m.start(P, {"x": 1})).result() == {"x": 1}
        await m.list()


async def refused_or_done(m, **options):
    """Start with odd options: refused with an error of ours or a TypeError, or the process finishes."""
    try:
        with anyio.fail_after(30):
            handle = await m.start(P, {"y": 1}, **options)
            assert await handle.result() == {"y": 1}
            await handle.info()
    except (ProcactorsError, TypeError):
        return


@pytest.mark.parametrize(
    "options",
    [
        {"key": LONE},
        {"key": 7},
        {"key": b"bytes"},
        {"tags": [LONE]},
        {"tags": [7]},
        {"tags": 7},
        {"tags": [None]},
        {"tags": [object()]},
        {"priority": "high"},
        {"priority": None},
        {"priority": 2**70},
        {"priority": -(2**63)},
        {"priority": 10**15},
        {"priority": True},
    ],
)
async def test_an_odd_option_of_start_is_refused_or_works_and_hurts_nobody(m, options):
    others = []

    async def start_another():
        others.append(await m.start(P, {"x": 2}))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(start_another)
        await refused_or_done(m, **options)
    for other in others:
        assert await other.result() == {"x": 2}
    await works(m)


async def test_tags_given_as_one_text_are_refused_or_one_tag(m):
    try:
        handle = await m.start(P, tags="urgent")
    except (ProcactorsError, TypeError):
        return
    assert (await handle.info()).tags == ("urgent",)


@pytest.mark.parametrize("odd", ODD_PROGRESS)
async def test_odd_progress_hurts_nobody(m, probe, odd):
    handle = await m.start(Process("p", [tells_odd_progress]), {"odd": odd})
    with anyio.move_on_after(5):
        await probe.reached["told"].wait()
    await anyio.sleep(0.5)
    await handle.info()
    await m.list()
    await works(m)
    probe.gates["told"].set()
    with anyio.fail_after(30), contextlib.suppress(ProcessFailedError):
        assert await handle.result() == {"odd": odd}
    assert (await handle.info()).status in {"finished", "failed"}


@pytest.mark.parametrize("reason", [LONE, None, 7, "x" * 3_000_000, "\0"])
@pytest.mark.parametrize("state", ["running", "sleeping"])
async def test_an_odd_reason_to_cancel_is_refused_or_works(m, probe, reason, state):
    if state == "running":
        handle = await m.start(Process("p", [gated]))
        await probe.reached["gated"].wait()
    else:
        handle = await m.start(P, delay=100)
    with anyio.fail_after(30):
        try:
            await handle.cancel(reason=reason)
        except (ProcactorsError, TypeError, ValueError):
            await handle.cancel(reason="plain")
        with pytest.raises(ProcessCancelledError):
            await handle.result()
    await handle.info()
    await works(m)


async def test_a_delay_beyond_the_calendar_is_refused_or_kept(memory_world):
    async with memory_world.manager() as m:
        try:
            handle = await m.start(P, delay=HUGE)
        except ProcactorsError:
            return
        assert (await handle.info()).status == "sleeping"
        await works(m)
        await handle.cancel()


@pytest.mark.parametrize("call", [comes_back_in_ages, asks_for_ages])
async def test_a_wait_beyond_the_calendar_fails_the_step_or_is_kept(memory_world, call):
    async with memory_world.manager() as m:
        handle = await m.start(Process("p", {"s": call}, timeout=None))
        await memory_world.clock.advance(5)
        info = await handle.info()
        assert info.status in {"failed", "sleeping", "interrupted"}
        assert info.attempt == 1
        await works(m)
        await handle.cancel()


async def test_a_timeout_beyond_the_calendar_is_refused_or_kept(memory_world):
    async with memory_world.manager() as m:
        try:
            process = Process("p", [echo], timeout=HUGE)
        except ProcactorsError:
            return
        with anyio.fail_after(30):
            assert await (await m.start(process, {"x": 1})).result() == {"x": 1}


async def test_an_odd_answer_of_a_merge_is_bounded(m):
    """Data and answer are each within the limit, together they are not."""
    handle = await m.start(Process("p", {"a": ask, "b": echo}), {"first": "x" * 700_000})
    await until_status(handle, "interrupted")
    with anyio.fail_after(30):
        try:
            await handle.proceed({"second": "y" * 700_000})
        except ProcactorsError:
            assert (await handle.info()).status == "interrupted"
            await handle.proceed({"second": "y"})
        assert len((await handle.result())["first"]) == 700_000


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_an_opening_that_is_cancelled_leaves_nothing_and_may_be_tried_again(file_world, turns):
    m = file_world.manager()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(m.open)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await m.close()
    async with file_world.manager() as again:
        await works(again)
        assert len(await again.managers()) == 1


async def runs_what_is_no_process(data, ctx):
    if data["gathers"]:
        return await ctx.gather(P, "p")
    return await ctx.run("p", {})


@pytest.mark.parametrize("gathers", [False, True])
async def test_a_step_can_run_nothing_but_processes(memory_world, gathers):
    async with memory_world.manager() as m:
        handle = await m.start(Process("q", [runs_what_is_no_process]), {"gathers": gathers})
        with pytest.raises(ProcessFailedError, match=r"ctx.run takes a Process, ctx.gather tuples"):
            await handle.result()
        await works(m)


async def test_a_list_may_be_of_any_length(world):
    async with world.manager() as m:
        await works(m)
        assert len(await m.list(limit=10**30)) == 1


@pytest.mark.parametrize("arguments", [{"modules": "shop.steps"}, {"max_running": 0}, {"max_running": "8"}])
def test_a_manager_that_could_not_work_is_refused(arguments):
    with pytest.raises(InvalidDefinitionError):
        ProcessManager("memory://", **arguments)


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1", None])
def test_it_is_tried_again_after_seconds(seconds):
    with pytest.raises(ValueError, match="must be 0 or more"):
        RetryAfter(seconds)


async def takes_a_keyword(data, *, ctx):
    return ctx.step


async def test_a_step_with_a_keyword_that_nothing_fills_is_refused(memory_world):
    async with memory_world.manager() as m:
        with pytest.raises(InvalidDefinitionError, match="nothing fills the keyword 'ctx'"):
            await m.start(Process("p", [takes_a_keyword]))
        filled = Step("s", takes_a_keyword, kwargs={"ctx": {"step": 1}})
        with pytest.raises(ProcessFailedError, match="AttributeError"):  # it was called
            await (await m.start(Process("p", [filled]))).result()


async def hands_out_its_context(data, ctx):
    ctx.services["probe"].seen.append(ctx)


async def test_what_outlives_its_step_can_do_nothing_in_it(memory_world, probe):
    async with memory_world.manager() as m:
        await (await m.start(Process("p", [hands_out_its_context]))).result()
        (ctx,) = probe.seen
        with pytest.raises(InvalidStateError, match="is over"):
            await ctx.run(P)
        with pytest.raises(InvalidStateError, match="is over"):
            ctx.at_checkpoint(print)
        await works(m)


async def test_a_manager_is_not_for_another_event_loop(memory_world):
    async with memory_world.manager() as m:

        def elsewhere():
            asyncio.run(m.list())

        with pytest.raises(RuntimeError, match="another event loop"):
            await anyio.to_thread.run_sync(elsewhere)
        await works(m)
