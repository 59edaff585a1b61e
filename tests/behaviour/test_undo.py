"""`undo=`: after a failure, a time-out or a cancel the completed steps are undone, the last one first."""

from __future__ import annotations

import contextlib

import anyio
import pytest

from procactors import (
    Each,
    Interrupt,
    InvalidDefinitionError,
    InvalidStateError,
    ManagerOptions,
    Parallel,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    StepNotResolvableError,
)
from procactors.testing import SimulatedStore, explore_crashes
from tests.behaviour.history import history, kinds, only, until, until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, forever, gated, grow, note, sleeps


def undoable(name, undo=note, **more):
    return Step(name, grow, undo=undo, **more)


def saga(last=fail, **more):
    return Process("p", [undoable("a"), Step("b", grow), undoable("c"), Step("d", last)], **more)


async def failed(handle):
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    return caught.value


# The way back.


async def test_after_a_failure_completed_steps_are_undone_the_last_one_first(m, probe):
    handle = await m.start(saga(), {"x": 1})
    error = await failed(handle)
    assert (error.step, error.error.type, error.error.message) == ("d", "ValueError", "no good")
    assert probe.steps == ["a", "b", "c", "d", "c.undo", "a.undo"]
    assert probe.seen[4:] == [{"x": 1, "trail": ["a", "b", "c"]}, {"x": 1, "trail": ["a"]}]
    info = await handle.info()
    assert (info.status, info.undone, info.undoing) == ("failed", ("c", "a"), None)
    assert info.steps == {"a": "completed", "b": "completed", "c": "completed", "d": "failed"}
    assert info.data == {"x": 1, "trail": ["a", "b", "c"]}
    assert (info.step, info.attempt, info.owner) == ("d", 1, None)


async def test_the_way_back_is_told_by_events(m):
    handle = await m.start(saga(), {})
    await failed(handle)
    events = await history(m, handle.pid)
    after = events[[type(x).__name__ for x in events].index("StepFailed") :]
    assert [(type(x).__name__, getattr(x, "step", None)) for x in after] == [
        ("StepFailed", "d"),
        ("ProcessUndoing", None),
        ("ProcessResumed", None),
        ("UndoStarted", "c"),
        ("UndoFinished", "c"),
        ("ProcessResumed", None),
        ("UndoStarted", "a"),
        ("UndoFinished", "a"),
        ("ProcessFailed", None),
    ]
    assert (after[1].end, after[1].error) == ("failed", after[-1].error)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_without_anything_to_undo_nothing_is_undone(m):
    handle = await m.start(Process("p", [Step("a", fail, undo=note), undoable("b")]), {})
    await failed(handle)
    assert "ProcessUndoing" not in kinds(await history(m, handle.pid))


async def test_a_process_that_finishes_is_not_undone(m, probe):
    handle = await m.start(saga(last=echo), {})
    await handle.result()
    assert probe.steps == ["a", "b", "c"]


async def test_retries_come_before_undo(m, probe):
    probe.failures = 1
    steps = [undoable("a"), Step("b", fail_often, retry=Retry(delay=0.1))]
    await (await m.start(Process("p", steps), {})).result()
    assert probe.calls == [("a", 1), ("b", 1), ("b", 2)]


async def test_a_skipped_step_is_not_undone(m, probe):
    probe.failures = 1
    steps = [Step("a", fail_often, undo=note), undoable("b"), Step("c", fail)]
    handle = await m.start(Process("p", steps), {})
    await failed(handle)
    await handle.skip("a")
    await failed(handle)
    assert probe.steps == ["a", "b", "c", "b.undo"]


# Cancel and time-out.


async def test_a_cancelled_process_is_undone_and_ends_cancelled(m, probe):
    handle = await m.start(saga(last=forever), {})
    await probe.reached["d"].wait()
    assert await handle.cancel(reason="enough")
    with pytest.raises(ProcessCancelledError, match="enough"):
        await handle.result()
    assert probe.steps[-2:] == ["c.undo", "a.undo"]
    info = await handle.info()
    assert (info.status, info.reason, info.error, info.undone) == ("cancelled", "enough", None, ("c", "a"))


@pytest.mark.parametrize("pause", [ask, Sleep(1000)])
async def test_a_free_process_that_a_client_cancels_is_undone_by_a_manager(world, probe, pause):
    process = Process("p", {"a": undoable("a"), "b": pause, "c": echo})
    async with world.manager() as m:
        handle = await m.start(process, {})
        await until(m, handle.pid, "ProcessSleeping" if isinstance(pause, Sleep) else "ProcessInterrupted")
    async with world.manager(run=False) as client:
        assert await client.cancel(handle.pid)
        assert (await client.info(handle.pid)).status == "undoing"
        assert await client.cancel(handle.pid)
    async with world.manager() as m:
        with pytest.raises(ProcessCancelledError):
            await m.result(handle.pid)
    assert probe.steps[-1] == "a.undo"


async def test_a_process_that_times_out_is_undone_without_a_deadline(m, probe):
    process = Process("p", [undoable("a", undo=sleeps), Step("b", forever)], timeout=1)
    handle = await m.start(process, {"s": 3})
    with pytest.raises(ProcessTimedOutError):
        await handle.result()
    info = await handle.info()
    assert (info.status, info.undone) == ("timed_out", ("a",))
    assert probe.steps == ["a", "b", "a.undo"]


async def test_an_interrupt_that_nobody_answers_is_undone(m, probe):
    handle = await m.start(Process("p", [undoable("a"), Step("b", asks_for_a_second), Step("c", echo)]), {})
    with pytest.raises(ProcessTimedOutError):
        await handle.result()
    assert (await handle.info()).undone == ("a",)


async def asks_for_a_second(data):
    return Interrupt(data, timeout=1)


async def test_a_process_that_is_undone_is_not_to_be_cancelled(m, probe):
    handle = await m.start(Process("p", [undoable("a", undo=gated), Step("b", fail)]), {})
    await probe.reached["a.undo"].wait()
    info = await handle.info()
    assert (info.status, info.undoing, info.undone, info.error.type) == ("undoing", "a", (), "ValueError")
    assert info.owner == m.name
    assert not await handle.cancel(reason="too late")
    assert (await handle.info()).status == "undoing"
    probe.gates["a.undo"].set()
    assert (await failed(handle)).step == "b"
    assert not probe.cleaned


# Compensations that fail.


async def test_a_compensation_is_tried_again_by_its_own_policy(m, probe):
    probe.failures = 2
    undo = Step("take it back", fail_often, retry=Retry(attempts=3, delay=1, jitter=False))
    handle = await m.start(Process("p", [undoable("a", undo=undo), Step("b", fail)]), {})
    seen = await until(m, handle.pid, "UndoFailed")
    assert (await handle.info()).status == "undoing"
    assert seen[-1].due_at > seen[-1].at
    assert (await failed(handle)).step == "b"
    assert [call for call in probe.calls if call[0] == "a.undo"] == [("a.undo", n) for n in (1, 2, 3)]
    assert probe.times[1] - probe.times[0] == pytest.approx(1, abs=0.1)


async def test_a_compensation_that_fails_is_named_and_a_retry_resumes_the_undo(m, probe):
    probe.failures = 1
    steps = [undoable("a"), undoable("b", undo=fail_often), undoable("c"), Step("d", fail)]
    handle = await m.start(Process("p", steps), {})
    error = await failed(handle)
    assert error.error.type == "UndoFailedError"
    assert "the undo of step 'b' failed: OSError: not yet" in error.error.message
    info = await handle.info()
    assert (info.status, info.undoing, info.undone) == ("failed", "b", ("c",))
    await handle.retry()
    error = await failed(handle)
    assert (error.step, error.error.type) == ("d", "ValueError")
    assert probe.steps == ["a", "b", "c", "d", "c.undo", "b.undo", "b.undo", "a.undo"]
    assert [event.attempt for event in only(await history(m, handle.pid), "UndoStarted")] == [1, 1, 2, 1]


async def test_an_undo_that_fails_after_a_cancel_still_ends_cancelled_after_retry(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", [undoable("a", undo=fail_often), Step("b", forever)]), {})
    await probe.reached["b"].wait()
    await handle.cancel(reason="enough")
    assert "had been cancelled" in (await failed(handle)).error.message
    await handle.retry()
    with pytest.raises(ProcessCancelledError, match="enough"):
        await handle.result()


async def test_a_compensation_that_can_not_succeed_is_skipped_by_hand(m, probe):
    steps = [undoable("a"), undoable("b", undo=fail), Step("c", fail)]
    handle = await m.start(Process("p", steps), {})
    await failed(handle)
    with pytest.raises(InvalidStateError, match="failed at step 'b'"):
        await handle.skip("c")
    await handle.skip("b")
    assert (await failed(handle)).step == "c"
    assert (await handle.info()).undone == ("a",)


async def test_a_compensation_that_takes_too_long_fails(m, probe):
    steps = [undoable("a", undo=Step("undo", forever, timeout=1)), Step("b", fail)]
    handle = await m.start(Process("p", steps), {})
    assert "ran into its timeout" in (await failed(handle)).error.message


async def test_a_compensation_may_return_anything_but_an_interrupt(m, probe):
    good = await m.start(Process("p", [undoable("a", undo=gives_an_object), Step("b", fail)]), {})
    assert (await failed(good)).step == "b"
    bad = await m.start(Process("p", [undoable("a", undo=ask), Step("b", fail)]), {})
    assert "can't interrupt" in (await failed(bad)).error.message


async def gives_an_object(data):
    return object()


async def test_a_compensation_is_a_thread_or_a_class_with_services(m, probe):
    undo = Step("undo", Undoes, args=["a"], services=["probe"])
    handle = await m.start(Process("p", [undoable("a", undo=undo), Step("b", fail)]), {"x": 1})
    await failed(handle)
    assert probe.seen[-1] == ("a", {"x": 1, "trail": ["a"]})


class Undoes:
    def __init__(self, name, probe):
        self.name, self.probe = name, probe

    def execute(self, data):
        self.probe.seen.append((self.name, data))


# Going on from what was undone.


async def test_what_was_undone_is_rewound_and_not_retried(m, probe):
    probe.failures = 1
    handle = await m.start(saga(last=fail_often), {})
    await failed(handle)
    with pytest.raises(InvalidStateError, match="'a' was undone"):
        await handle.retry()
    with pytest.raises(InvalidStateError, match="'a' was undone"):
        await handle.skip("d")
    for step in ("b", "d"):
        with pytest.raises(InvalidStateError, match=r"'a' of process .* was undone"):
            await handle.rewind(step)
    await handle.rewind("a")
    assert (await handle.result())["trail"] == ["a", "b", "c"]
    assert (await handle.info()).undone == ()


async def test_what_is_done_again_is_undone_again(m, probe):
    handle = await m.start(Process("p", [undoable("a"), Step("b", fail)]), {})
    for _ in range(2):
        await failed(handle)
        await handle.rewind("a")
    await failed(handle)
    assert probe.steps == ["a", "b", "a.undo"] * 3


async def test_a_fork_undoes_only_what_it_has_done(m, probe):
    handle = await m.start(saga(), {})
    await failed(handle)
    probe.calls.clear()
    fork = await handle.fork("c")
    await failed(fork)
    assert probe.steps == ["c", "d", "c.undo"]


# Managers that go, and come.


async def test_undo_goes_on_in_the_next_manager(world, probe):
    steps = [undoable("a"), undoable("b", undo=gated), Step("c", fail)]
    async with world.manager() as m:
        handle = await m.start(Process("p", steps), {})
        await probe.reached["b.undo"].wait()
        await m.kill()
    probe.gates["b.undo"].set()
    async with world.manager() as m:
        await until_status(m.handle(handle.pid), "failed")
        assert probe.steps == ["a", "b", "c", "b.undo", "b.undo", "a.undo"]
        assert probe.attempts[-3:] == [1, 2, 1]


@pytest.mark.parametrize(
    ("once", "crash_limit", "told"), [(True, 5, "StepBrokenOffError"), (False, 1, "CrashLoopError")]
)
async def test_an_undo_in_which_managers_die_ends_and_is_resumed_by_hand(
    world, probe, once, crash_limit, told
):
    options = ManagerOptions(crash_limit=crash_limit)
    undo = Step("undo", gated, at_most_once=once)
    async with world.manager(options=options) as m:
        handle = await m.start(Process("p", [undoable("a", undo=undo), Step("b", fail)]), {})
        await probe.reached["a.undo"].wait()
        await m.kill()
    probe.gates["a.undo"].set()
    async with world.manager(options=options) as m:
        error = (await failed(m.handle(handle.pid))).error
        assert error.type == "UndoFailedError"
        assert told in error.message
        await m.retry(handle.pid)
        assert (await failed(m.handle(handle.pid))).step == "b"
        assert probe.calls[-2:] == [("a.undo", 1), ("a.undo", 2)]


async def test_a_closing_manager_leaves_the_undo_to_the_next(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", [undoable("a", undo=gated), Step("b", fail)]), {})
        await probe.reached["a.undo"].wait()
        async with anyio.create_task_group() as group:
            group.start_soon(m.close)
    assert probe.cleaned == ["a.undo"]
    probe.gates["a.undo"].set()
    async with world.manager() as m:
        assert (await failed(m.handle(handle.pid))).step == "b"
        assert probe.calls[-1] == ("a.undo", 1)


async def test_undo_goes_before_what_was_queued_later(memory_world, probe):
    async with memory_world.manager(max_running=1) as m:
        handle = await m.start(saga(last=gated), {})
        await probe.reached["d"].wait()
        later = [await m.start(Process("q", [note]), {}) for _ in range(5)]
        await handle.cancel()
        for one in later:
            await one.result()
        assert probe.steps[-7:] == ["c.undo", "a.undo", *["note"] * 5]


async def test_a_compensation_that_nobody_knows_blocks_and_can_be_skipped(memory_world):
    steps = {
        "a": {"call": f"{__name__}:echoes", "undo": {"call": "gone:undo"}},
        "b": {"call": f"{__name__}:breaks"},
    }
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec({"name": "p", "steps": steps}))
    async with memory_world.manager() as m:
        with pytest.raises(StepNotResolvableError):
            await m.start(Process.from_spec({"name": "p", "steps": steps}))
        await m.clock.advance("3m")
        info = await m.info(handle.pid)
        assert (info.status, info.undoing) == ("blocked", "a")
        assert "gone:undo" in info.reason
        assert not await m.cancel(handle.pid)
        await m.skip(handle.pid, "a")
        assert (await failed(m.handle(handle.pid))).step == "b"


async def echoes(data):
    return data


async def breaks(data):
    raise ValueError("no")


Process("known", [echoes, breaks])


@pytest.mark.parametrize("cancels", [False, True])
async def test_whatever_crashes_everything_is_undone_and_the_end_is_the_same(cancels):
    steps = [Step("a", echoes, undo=echoes), Step("b", echoes, undo=echoes)]
    steps += [Step("c", asks_for_long if cancels else breaks), Step("d", echoes)]

    async def scenario(m):
        handle = await m.start(Process("p", steps), {"x": 1}, key="k")
        if cancels:
            with contextlib.suppress(AssertionError):
                await until(m, handle.pid, "ProcessInterrupted")
            await handle.cancel(reason="why")
        with contextlib.suppress(ProcessFailedError, ProcessCancelledError):
            await handle.result()
        info, events = await handle.info(), await history(m, handle.pid)
        return info.status, info.undone, info.steps, [event.step for event in only(events, "UndoFinished")]

    report = await explore_crashes(scenario)
    status, undone, _, finished = report.output
    assert (status, undone, finished) == ("cancelled" if cancels else "failed", ("b", "a"), ["b", "a"])
    assert report.crashes >= 10


async def asks_for_long(data):
    return Interrupt(data)


async def test_a_compensation_may_run_processes(memory_world, probe):
    async with memory_world.manager(max_running=1) as m:
        handle = await m.start(Process("p", [undoable("a", undo=runs_a_process), Step("b", fail)]), {"x": 1})
        assert (await failed(handle)).step == "b"
        assert probe.steps == ["a", "b", "refund"]
        assert (await handle.info()).undone == ("a",)


async def runs_a_process(data, ctx):
    await ctx.run(Process("refund", {"refund": note}), data)


def test_a_branch_has_no_undo_of_its_own():
    for composite in (lambda: Parallel({"a": undoable("a")}), lambda: Each(undoable("a"), over="items")):
        with pytest.raises(InvalidDefinitionError, match="a branch has no undo of its own"):
            composite()


async def test_a_process_whose_undo_failed_is_over_and_can_not_be_cancelled(m):
    handle = await m.start(Process("p", [undoable("a", undo=fail), Step("b", forever)]))
    await until(m, handle.pid, "StepFinished")
    assert await handle.cancel()
    assert (await failed(handle)).error.type == "UndoFailedError"
    assert not await handle.cancel()


async def test_a_step_whose_undo_was_skipped_is_rewound_with_its_own_input(m, probe):
    handle = await m.start(Process("p", [undoable("a", undo=fail), Step("b", fail)]), {"x": 1})
    await failed(handle)
    await handle.skip("a")
    await failed(handle)
    await handle.rewind("a")
    await failed(handle)
    assert [data for step, data in zip(probe.steps, probe.seen, strict=True) if step == "a"] == [{"x": 1}] * 2


async def test_an_end_that_shares_a_commit_with_the_last_undo_is_heard_of(memory_world, probe):
    store = SimulatedStore(memory_world.memory)
    async with memory_world.manager(store=store) as m:
        handle = await m.start(Process("p", [undoable("a", undo=gated), Step("b", fail)]))
        await probe.reached["a.undo"].wait()
        store.delay(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(m.start, Process("q", [echo]))  # is being stored for a second
            await memory_world.clock.advance(0.5)
            m._room.look_again()  # the claim waits for that, before the end of the undo
            await memory_world.clock.settle()
            probe.gates["a.undo"].set()
        await memory_world.clock.advance(3)
        with pytest.raises(ProcessFailedError):
            await handle.result(timeout=60)


async def test_a_step_made_of_processes_is_undone_as_a_whole(m, probe):
    both = Step("both", Parallel({"x": echo, "y": echo}), undo=note)
    inner = Process("inner", [undoable("a"), Step("b", fail)])
    handle = await m.start(Process("p", {"both": both, "inner": inner}), {"n": 1})
    await failed(handle)
    assert probe.steps == ["a", "b", "a.undo", "both.undo"]
    assert probe.seen[-1] == {"x": {"n": 1}, "y": {"n": 1}}


@pytest.mark.parametrize(
    "undo",
    [Sleep(1), Step("u", echo, interrupts=True), Step("u", echo, undo=note), lambda data: data],
)
def test_a_compensation_that_can_not_be_is_refused(undo):
    with pytest.raises(InvalidDefinitionError):
        Step("a", echo, undo=undo)
