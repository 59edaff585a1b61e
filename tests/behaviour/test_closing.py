"""A graceful end: what it waits for, what it gives back, and that nothing is left."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from procactors import (
    ManagerOptions,
    ProcactorsError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessManager,
    Retry,
    RetryAfter,
    Step,
)
from procactors.engine.messages import Committed, Errand, LookAgain, Queued, StoreChanged
from procactors.testing import SimulatedStore
from tests.behaviour.history import history, kinds, only, until, until_status
from tests.behaviour.steps import ask, echo, fail_often, forever, gated, note, plain, sleeps, slow_to_end


def open_files():
    """Return what the open file descriptors of this program lead to."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself is gone
            found.append(str(link.readlink()))
    return sorted(found)


async def test_closing_releases_a_running_process_and_costs_no_attempt(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", {"a": note, "b": gated, "c": note}))
        await probe.reached["b"].wait()
    assert probe.cleaned == ["b"]
    async with world.manager(run=False) as client:
        info = await client.info(handle.pid)
        assert info.status == "queued"
        assert info.owner is None
        assert info.deadline_at is None
        assert info.attempt == 1
    probe.gates["b"].set()
    async with world.manager() as m:
        await m.result(handle.pid)
        assert probe.calls == [("a", 1), ("b", 1), ("b", 1), ("c", 1)]
        events = await history(m, handle.pid)
        assert kinds(events).count("ProcessReleased") == 1
        assert "ProcessRecovered" not in kinds(events)
        assert "StepFailed" not in kinds(events)


async def test_closing_many_times_costs_no_attempt_and_is_no_crash(world, probe):
    pid = None
    for _ in range(12):
        probe.reached["a"] = anyio.Event()
        async with world.manager(options=ManagerOptions(grace_s=0.1)) as m:
            pid = pid or (await m.start(Process("p", {"a": Step("a", gated, retry=Retry(attempts=2))}))).pid
            await probe.reached["a"].wait()
    probe.gates["a"].set()
    async with world.manager() as m:
        await m.result(pid)
        assert set(probe.attempts) == {1}


async def test_an_at_most_once_step_that_closing_cut_off_is_not_run_again(world, probe):
    process = Process("p", {"a": Step("a", gated, at_most_once=True), "b": note})
    async with world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(process)
        await probe.reached["a"].wait()
    probe.gates["a"].set()
    async with world.manager() as m:
        with pytest.raises(ProcessFailedError, match=r"at.most.once"):
            await m.result(handle.pid)
        assert probe.steps == ["a"]


@pytest.mark.parametrize("delay", [0.6, 4])
async def test_closing_in_a_backoff_loses_neither_attempt_nor_delay(world, probe, delay):
    probe.failures = 1
    step = Step("s", fail_often, retry=Retry(attempts=2, delay=delay, jitter=False))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step]))
        await until(m, handle.pid, "StepRetryScheduled")
    async with world.manager() as m:
        await m.result(handle.pid)
        assert probe.attempts == [1, 2]
        # By the store's time: the loop's is real between two managers.
        events = await m.store.history(handle.pid, 0, 100)
        begun = [event.at.timestamp() for event in events if type(event).__name__ == "StepStarted"]
        assert delay - 0.001 <= begun[1] - begun[0] <= delay + 0.2


async def test_attempts_are_counted_through_failure_delay_kill_and_closing(world, probe):
    """A failure and a kill count, to come later and a graceful end don't."""
    plan = ["fail", "later", "hang", "hang", "fail", "done"]
    step = Step("s", does_what_is_next, retry=Retry(attempts=5, delay=1, jitter=False))
    options = ManagerOptions(grace_s=0.5)
    async with world.manager(options=options) as m:
        handle = await m.start(Process("p", [step], timeout=None), {"plan": plan})
        await probe.reached["hang 2"].wait()
        await m.kill()
    async with world.manager(options=options) as m:
        await probe.reached["hang 3"].wait()
    async with world.manager(options=options) as m:
        await m.result(handle.pid)
        assert probe.attempts == [1, 2, 2, 3, 3, 4]


async def does_what_is_next(data, ctx):
    probe = ctx.services["probe"]
    turn = len(probe.calls)
    probe.note(data, ctx)
    match data["plan"][turn]:
        case "fail":
            raise OSError("no")
        case "later":
            raise RetryAfter(1)
        case "hang":
            probe.reached[f"hang {turn}"].set()
            await anyio.sleep_forever()
    return data


async def test_closing_waits_for_a_running_step_and_keeps_its_checkpoint(world, probe):
    began = world.clock.wall()
    async with world.manager(options=ManagerOptions(grace_s=5)) as m:
        handle = await m.start(Process("p", {"a": sleeps, "b": note}), {"s": 3})
        await world.clock.settle()
    assert probe.steps == ["a"]
    assert world.clock.wall() - began <= 3.3
    async with world.manager() as m:
        await m.result(handle.pid)
        assert probe.calls == [("a", 1), ("b", 1)]


async def test_a_last_step_that_ends_in_the_grace_finishes_its_process(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=5)) as m:
        handle = await m.start(Process("p", {"a": sleeps}), {"s": 3})
        await world.clock.settle()
    async with world.manager(run=False) as client:
        assert (await client.info(handle.pid)).status == "finished"


async def test_closing_waits_no_longer_than_the_grace(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=2)) as m:
        await m.start(Process("p", [forever]))
        await probe.reached["forever"].wait()
        began = world.clock.wall()
    assert 2 <= world.clock.wall() - began <= 2.3


async def test_closing_with_no_running_step_waits_for_nothing(world, probe):
    async with world.manager() as m:
        await m.start(Process("p", [echo]), delay=100)
        handle = await m.start(Process("p", [ask]))
        await until_status(handle, "interrupted")
        began = world.clock.wall()
    assert world.clock.wall() - began <= 0.1


async def test_a_cancelled_step_that_ignores_its_end_is_abandoned_and_its_process_ends_cancelled(
    world, probe, caplog
):
    async with world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        assert await handle.cancel(reason="enough")
        await until_status(handle, "cancelling")
    async with world.manager(run=False) as client:
        info = await client.info(handle.pid)
        assert (info.status, info.reason, info.owner) == ("cancelled", "enough", None)
        assert "ProcessRecovered" not in kinds(await history(client, handle.pid))
    assert "failed for good" not in caplog.text
    probe.gates["a"].set()


async def test_a_step_that_ignores_its_end_is_abandoned_when_closing(world, probe):
    async with world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", {"a": slow_to_end, "b": note}))
        await probe.reached["a"].wait()
        began = world.clock.wall()
    assert world.clock.wall() - began <= 3
    probe.gates["a"].set()
    async with world.manager() as m:
        await world.clock.advance(6)
        assert (await m.info(handle.pid)).status in {"running", "finished"}
        await m.cancel(handle.pid)


async def test_closing_twice_does_nothing(world):
    m = world.manager()
    await m.open()
    await m.close()
    await m.close()
    assert not m.health().is_ready


async def test_closing_what_was_never_open_does_nothing(world):
    await world.manager().close()


async def test_opening_twice_is_refused(world):
    async with world.manager() as m:
        with pytest.raises(RuntimeError):
            await m.open()
        assert await (await m.start(Process("p", [echo]), {"x": 1})).result() == {"x": 1}


@pytest.mark.parametrize("state", ["closed", "never open", "killed"])
async def test_a_manager_that_is_not_open_refuses_everything_and_says_so(world, state):
    m = world.manager()
    if state != "never open":
        await m.open()
        await (m.close() if state == "closed" else m.kill())
    pid = "0" * 32
    calls = [
        lambda: m.start(Process("p", [echo])),
        lambda: m.info(pid),
        lambda: m.result(pid),
        m.list,
        m.counts,
        lambda: m.proceed(pid),
        lambda: m.cancel(pid),
        lambda: m.retry(pid),
        lambda: m.subscribe(pid).__aenter__(),
        lambda: m.subscribe().__aenter__(),
    ]
    for call in calls:
        with pytest.raises((ProcactorsError, RuntimeError), match=r"open|closed"):
            await call()


async def test_a_result_that_is_awaited_while_the_manager_closes_does_not_hang(world, probe):
    errors = []

    async def wait(handle):
        try:
            await handle.result()
        except ProcactorsError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks, world.manager(options=ManagerOptions(grace_s=1)) as m:
        handle = await m.start(Process("p", [forever]))
        tasks.start_soon(wait, handle)
        await probe.reached["forever"].wait()
    assert len(errors) == 1
    assert not isinstance(errors[0], ProcessFailedError)


async def test_an_error_in_the_block_comes_out_plain(world, probe):
    async def fail_inside():
        async with world.manager(options=ManagerOptions(grace_s=1)) as m:
            await m.start(Process("p", [forever]))
            await probe.reached["forever"].wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_inside()
    async with world.manager(run=False) as client:
        assert (await client.counts())["queued"] == 1


async def test_a_manager_can_be_closed_while_starts_arrive(world, probe):
    outcomes = []

    async def start(m, n):
        try:
            outcomes.append(await m.start(Process("p", [note]), {"n": n}))
        except (ProcactorsError, RuntimeError) as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks, world.manager() as m:
        for n in range(50):
            tasks.start_soon(start, m, n)
        await anyio.lowlevel.checkpoint()
    assert len(outcomes) == 50
    async with world.manager() as m:
        for outcome in outcomes:
            if not isinstance(outcome, Exception):
                await m.result(outcome.pid)


async def test_a_closing_that_is_cancelled_still_closes(world, probe):
    m = world.manager(options=ManagerOptions(grace_s=5))
    await m.open()
    handle = await m.start(Process("p", [forever]))
    await probe.reached["forever"].wait()
    with anyio.move_on_after(1):
        await m.close()
    await m.close()
    async with world.manager(run=False) as client:
        assert (await client.info(handle.pid)).status in {"queued", "running"}


async def test_the_lifespan_opens_and_closes(tmp_path):
    manager = ProcessManager(f"sqlite:///{tmp_path}/store.db")
    async with manager.lifespan(object()):
        assert await (await manager.start(Process("p", [echo]), {"x": 1})).result() == {"x": 1}
    with pytest.raises((ProcactorsError, RuntimeError)):
        await manager.list()


async def test_nothing_is_left_after_closing(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url) as manager:
        await (await manager.start(Process("p", {"a": echo, "b": plain}), {})).result()
    files, threads = open_files(), set(threading.enumerate())
    for _ in range(5):
        async with ProcessManager(url) as manager, ProcessManager(url, run=False) as client:
            handle = await manager.start(Process("p", {"a": echo, "b": plain}), {})
            await client.result(handle.pid)
            await history(client, handle.pid)
    assert open_files() == files
    assert {thread for thread in threading.enumerate() if "AnyIO" not in thread.name} <= threads


async def test_two_managers_share_a_file_and_one_may_go(file_world, probe):
    async with file_world.manager() as stays:
        async with file_world.manager(options=ManagerOptions(grace_s=0.5), max_running=3) as goes:
            handles = [await goes.start(Process("p", {"a": gated})) for _ in range(3)]
            await probe.reached["a"].wait()
        await anyio.sleep(1)
        probe.gates["a"].set()
        for handle in handles:
            await stays.result(handle.pid)
            events = await history(stays, handle.pid)
            assert len(only(events, "StepFinished")) == 1


async def test_a_process_that_is_cancelled_while_its_manager_closes_is_cancelled(memory_world, caplog):
    store, probe = SimulatedStore(memory_world.memory), memory_world.probe
    async with memory_world.manager(run=False) as client, anyio.create_task_group() as tasks:
        m = memory_world.manager(store=store)
        await m.open()
        handle = await m.start(Process("p", {"a": slow_to_end, "b": echo}))
        await probe.reached["a"].wait()
        store.delay(1)
        tasks.start_soon(m.cancel, handle.pid)  # is heard of after the wish to release
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(m.close)
        await memory_world.clock.advance(3)
        probe.gates["a"].set()
        with pytest.raises(ProcessCancelledError):
            await client.result(handle.pid)
    assert "failed" not in caplog.text


@pytest.mark.parametrize(
    "news",
    [Queued(), LookAgain(), StoreChanged(), Errand("news"), Committed(())],
    ids=lambda news: type(news).__name__,
)
@pytest.mark.parametrize("actor", ["streams", "supervisor"])
async def test_news_that_come_while_it_closes_are_no_warning(memory_world, caplog, news, actor):
    m = memory_world.manager()
    async with m:
        ref = getattr(m._room, actor)
    caplog.clear()
    ref.tell(news)
    assert caplog.text == ""
