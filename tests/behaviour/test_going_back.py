"""`rewind`, `skip` and `fork`: a process goes on from another place than the one where it stands."""

from __future__ import annotations

import contextlib

import anyio
import pytest

from procactors import (
    InvalidDataError,
    InvalidStateError,
    KeyConflictError,
    Process,
    ProcessFailedError,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    UnknownProcessError,
)
from procactors.testing import explore_crashes
from tests.behaviour.history import history, kinds, only, until
from tests.behaviour.steps import ask, echo, fail_often, gated, grow, sleeps

ABC = Process("p", {"a": grow, "b": grow, "c": grow})
GONE = {"name": "p", "steps": {"a": {"call": f"{__name__}:echoes"}, "b": {"call": "gone:b"}}}


async def echoes(data):
    return data


Process("known", [echoes])


# Rewind.


async def test_a_finished_process_runs_again_from_the_input_that_a_step_had(m, probe):
    handle = await m.start(ABC, {"x": 1})
    assert await handle.result() == {"x": 1, "trail": ["a", "b", "c"]}
    await handle.rewind("b")
    assert await handle.result() == {"x": 1, "trail": ["a", "b", "c"]}
    assert probe.steps == ["a", "b", "c", "b", "c"]
    assert probe.seen[1] == probe.seen[3]
    info = await handle.info()
    assert (info.status, info.attempt) == ("finished", 1)
    events = await history(m, handle.pid)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert only(events, "ProcessRewound")[0].step == "b"


async def test_rewind_to_the_first_step_is_the_whole_process_again(m, probe):
    handle = await m.start(ABC, {"x": 1})
    await handle.result()
    await m.rewind(handle.pid, "a")
    assert await handle.result() == {"x": 1, "trail": ["a", "b", "c"]}
    assert probe.steps == ["a", "b", "c"] * 2


async def test_steps_after_a_rewind_are_pending_again(world):
    async with world.manager() as m:
        handle = await m.start(ABC, {})
        await handle.result()
    async with world.manager(run=False) as client:
        await client.rewind(handle.pid, "b")
        info = await client.info(handle.pid)
        assert info.status == "queued"
        assert info.steps == {"a": "completed", "b": "pending", "c": "pending"}
        assert (info.ended_at, info.output, info.data) == (None, None, {"trail": ["a"]})
        assert (info.step, info.last_completed_step) == ("b", "a")


async def test_a_failed_a_timed_out_and_a_cancelled_process_can_be_rewound(m, probe):
    probe.failures = 1
    failed = await m.start(Process("p", {"a": grow, "b": fail_often}), {})
    with pytest.raises(ProcessFailedError):
        await failed.result()
    late = await m.start(Process("p", {"a": grow, "b": gated}, timeout=1), {})
    with pytest.raises(ProcessTimedOutError):
        await late.result()
    gone = await m.start(Process("p", {"a": grow, "b": Sleep(1000)}), {})
    await until(m, gone.pid, "ProcessSleeping")
    await gone.cancel(reason="why")
    probe.gates["b"].set()
    for handle in (failed, late):
        await handle.rewind("a")
        assert await handle.result() == {"trail": ["a"]}
        assert (await handle.info()).error is None
    await gone.rewind("a")
    await until(m, gone.pid, "ProcessSleeping", after=(await gone.info()).seq - 1)
    info = await gone.info()
    assert (info.status, info.reason) == ("sleeping", "")


async def test_an_interrupted_process_goes_back_and_asks_again(m):
    handle = await m.start(Process("p", {"a": grow, "b": ask, "c": grow}), {})
    seen = await until(m, handle.pid, "ProcessInterrupted")
    await handle.rewind("b")
    await until(m, handle.pid, "ProcessInterrupted", after=seen[-1].seq)
    await handle.proceed({"y": 1})
    assert (await handle.result())["trail"] == ["a", "c"]


async def test_an_interrupted_process_can_not_be_rewound_past_its_question(m):
    handle = await m.start(Process("p", {"a": ask, "b": echo}), {})
    await until(m, handle.pid, "ProcessInterrupted")
    with pytest.raises(InvalidStateError, match="interrupted"):
        await handle.rewind("b")
    await handle.cancel()
    with pytest.raises(InvalidStateError, match="no recorded input"):
        await handle.rewind("b")


async def test_after_an_answer_the_step_behind_it_is_rewound_to_what_it_got(m, probe):
    handle = await m.start(Process("p", {"a": ask, "b": grow}), {})
    await until(m, handle.pid, "ProcessInterrupted")
    await handle.proceed({"y": 1})
    await handle.result()
    await handle.rewind("b")
    assert await handle.result() == {"question": "?", "y": 1, "trail": ["b"]}


async def test_a_sleeping_process_is_rewound_and_its_attempts_begin_anew(m, probe):
    probe.failures = 1
    steps = {"a": grow, "b": Step("b", fail_often, retry=Retry(delay=1000))}
    handle = await m.start(Process("p", steps), {})
    await until(m, handle.pid, "StepRetryScheduled")
    await handle.rewind("a")
    assert await handle.result() == {"trail": ["a"]}
    assert probe.calls[-2:] == [("a", 1), ("b", 1)]


async def test_a_running_process_can_not_be_rewound_or_skipped(m, probe):
    handle = await m.start(Process("p", {"a": echo, "b": gated}), {})
    await probe.reached["b"].wait()
    with pytest.raises(InvalidStateError, match="is running"):
        await handle.rewind("a")
    with pytest.raises(InvalidStateError, match="is running"):
        await handle.skip("b")
    probe.gates["b"].set()
    await handle.result()


async def test_a_step_that_has_not_begun_is_no_place_to_go_back_to(world, probe):
    probe.failures = 1
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": echo, "b": fail_often, "c": echo}), {})
        with pytest.raises(ProcessFailedError):
            await handle.result()
        with pytest.raises(InvalidStateError, match="'c' has no recorded input") as caught:
            await handle.rewind("c")
        assert (caught.value.pid, caught.value.step) == (handle.pid, "c")
        delayed = await m.start(ABC, {}, delay=1000)
        with pytest.raises(InvalidStateError, match="sleeping"):
            await delayed.rewind("a")


async def test_what_was_rewound_is_no_place_to_go_forward_to(m, probe):
    probe.failures = 0
    handle = await m.start(Process("p", {"a": grow, "b": fail_often, "c": grow}), {})
    await handle.result()
    probe.failures = 1
    await handle.rewind("a")
    with pytest.raises(ProcessFailedError):
        await handle.result()
    with pytest.raises(InvalidStateError, match="no recorded input"):
        await handle.rewind("c")


@pytest.mark.parametrize("verb", ["rewind", "skip", "fork"])
async def test_a_step_that_there_is_not_is_named(m, verb):
    handle = await m.start(ABC, {})
    await handle.result()
    with pytest.raises(InvalidStateError, match="no step 'nowhere'; its steps are a, b, c"):
        await getattr(handle, verb)("nowhere")
    with pytest.raises(UnknownProcessError):
        await getattr(m, verb)("f" * 32, "a")


async def test_rewind_starts_the_timeout_anew(world):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": sleeps, "b": sleeps}, timeout=5), {"s": 2})
        await handle.result()
        await world.clock.advance(10)
        await handle.rewind("a")
        assert await handle.result() == {"s": 2}


async def test_of_many_concurrent_rewinds_none_is_lost_and_none_is_done_twice(m, probe):
    handle = await m.start(ABC, {})
    await handle.result()
    refused = []

    async def rewind():
        try:
            await handle.rewind("c")
        except InvalidStateError as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(rewind)
    await handle.result()
    events = await history(m, handle.pid)
    assert kinds(events).count("ProcessRewound") == 5 - len(refused)
    assert kinds(events)[-1] == "ProcessFinished"


async def test_a_rewound_process_takes_its_active_key_again_or_is_refused(m, probe):
    first = await m.start(ABC, {}, key="k", key_scope="active")
    await first.result()
    second = await m.start(Process("p", {"a": gated}), {}, key="k", key_scope="active")
    assert second.pid != first.pid
    with pytest.raises(KeyConflictError, match="held by"):
        await first.rewind("a")
    assert (await first.info()).status == "finished"
    probe.gates["a"].set()
    await second.result()
    await first.rewind("a")
    assert (await m.start(ABC, {}, key="k", key_scope="active")).pid == first.pid
    await first.result()


# Skip.


async def test_a_skipped_step_hands_its_input_on(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"a": grow, "b": fail_often, "c": grow}), {})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    await handle.skip("b")
    assert await handle.result() == {"trail": ["a", "c"]}
    info = await handle.info()
    assert info.steps == {"a": "completed", "b": "skipped", "c": "completed"}
    assert (info.status, info.error) == ("finished", None)
    assert probe.steps == ["a", "b", "c"]
    assert only(await history(m, handle.pid), "StepSkipped")[0].step == "b"


async def test_a_process_whose_last_step_is_skipped_is_finished(world, probe):
    probe.failures = 1
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": grow, "b": fail_often}), {})
        with pytest.raises(ProcessFailedError):
            await handle.result()
    async with world.manager(run=False) as client:
        await client.skip(handle.pid, "b")
        assert await client.result(handle.pid) == {"trail": ["a"]}


async def test_only_the_step_at_which_a_failed_process_stands_can_be_skipped(m, probe):
    probe.failures = 1
    handle = await m.start(Process("p", {"a": echo, "b": fail_often, "c": echo}), {})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    for step in ("a", "c"):
        with pytest.raises(InvalidStateError, match="failed at step 'b'"):
            await handle.skip(step)


async def test_of_a_process_that_stands_well_nothing_is_skipped(m):
    finished = await m.start(ABC, {})
    await finished.result()
    asked = await m.start(Process("p", {"a": ask, "b": echo}))
    await until(m, asked.pid, "ProcessInterrupted")
    cancelled = await m.start(ABC, {}, delay=100)
    await cancelled.cancel()
    for handle, status in ((finished, "finished"), (asked, "interrupted"), (cancelled, "cancelled")):
        with pytest.raises(InvalidStateError, match=f"is {status}"):
            await handle.skip("a")


async def test_a_blocked_process_is_repaired_by_skipping_its_step(memory_world):
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(GONE), {"x": 1})
    async with memory_world.manager() as m:
        await m.clock.advance("2m")
        assert (await m.info(handle.pid)).status == "blocked"
        await m.skip(handle.pid, "b")
        assert await m.result(handle.pid) == {"x": 1}


async def test_a_blocked_process_is_rewound_to_a_step_before(memory_world):
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(GONE), {"x": 1})
    async with memory_world.manager() as m:
        await m.clock.advance("2m")
        await m.rewind(handle.pid, "a")
        seen = await until(m, handle.pid, "StepFinished", after=(await m.info(handle.pid)).seq - 1)
        assert seen[-1].step == "a"
        await m.clock.advance("2m")
        assert (await m.info(handle.pid)).status == "blocked"


# Fork.


async def test_a_fork_is_a_process_of_its_own_that_begins_at_a_step(m, probe):
    handle = await m.start(ABC, {"x": 1}, key="k", tags=("t",), priority=3)
    await handle.result()
    before = await handle.info()
    fork = await handle.fork("b")
    assert fork.pid != handle.pid
    assert await fork.result() == {"x": 1, "trail": ["a", "b", "c"]}
    assert probe.steps == ["a", "b", "c", "b", "c"]
    info = await fork.info()
    assert (info.name, info.key, info.tags, info.priority) == ("p", None, ("t",), 3)
    assert info.steps == {"a": "completed", "b": "completed", "c": "completed"}
    assert await handle.info() == before
    queued = (await history(m, fork.pid))[0]
    assert (queued.step, queued.forked_from) == ("b", handle.pid)


async def test_a_fork_may_have_data_of_its_own(world):
    async with world.manager() as m:
        handle = await m.start(ABC, {})
        await handle.result()
    async with world.manager(run=False) as client:
        fork = await client.fork(handle.pid, "c", {"new": True})
        info = await client.info(fork.pid)
        assert (info.status, info.step, info.last_completed_step) == ("queued", "c", "b")
        assert info.steps == {"a": "completed", "b": "completed", "c": "pending"}
    async with world.manager() as m:
        assert await m.result(fork.pid) == {"new": True, "trail": ["c"]}


async def test_a_running_process_is_forked_from_what_has_begun(m, probe):
    handle = await m.start(Process("p", {"a": grow, "b": gated, "c": grow}), {})
    await probe.reached["b"].wait()
    with pytest.raises(InvalidStateError, match="no recorded input"):
        await handle.fork("c")
    ahead = await handle.fork("c", {"x": 1})
    assert await ahead.result() == {"x": 1, "trail": ["c"]}
    again = await handle.fork("b")
    probe.gates["b"].set()
    assert await again.result() == await handle.result() == {"trail": ["a", "c"]}


async def test_a_fork_can_be_forked_and_rewound_from_its_own_steps_only(m):
    handle = await m.start(ABC, {})
    await handle.result()
    fork = await (await handle.fork("b")).fork("b", {"trail": []})
    assert await fork.result() == {"trail": ["b", "c"]}
    with pytest.raises(InvalidStateError, match="'a' has no recorded input"):
        await fork.rewind("a")
    await fork.rewind("c")
    assert await fork.result() == {"trail": ["b", "c"]}


async def test_data_of_a_fork_that_can_not_be_stored_is_refused(m):
    handle = await m.start(ABC, {})
    with pytest.raises(InvalidDataError):
        await handle.fork("a", object())
    assert len(await m.list()) == 1


# From elsewhere, and through crashes.


async def test_a_client_goes_back_while_a_manager_of_another_connection_runs(file_world, probe):
    probe.failures = 1
    async with file_world.manager() as m, file_world.manager(run=False) as client:
        handle = await m.start(Process("p", {"a": grow, "b": fail_often, "c": grow}), {})
        with pytest.raises(ProcessFailedError):
            await client.result(handle.pid)
        await client.skip(handle.pid, "b")
        assert await client.result(handle.pid) == {"trail": ["a", "c"]}
        await client.rewind(handle.pid, "b")
        assert await client.result(handle.pid) == {"trail": ["a", "c"]}
        fork = await client.fork(handle.pid, "c")
        assert await fork.result() == {"trail": ["a", "c"]}


async def test_whatever_crashes_a_process_that_goes_back_comes_to_the_same_end():
    async def scenario(m):
        handle = await m.start(Process("p", {"a": echo, "b": breaks, "c": echo}), {"x": 1}, key="k")
        try:
            await handle.result()
        except ProcessFailedError:
            await _unless_done(handle.skip("b"))
        await handle.result()
        if "ProcessRewound" not in kinds(await history(m, handle.pid)):
            await _unless_done(handle.rewind("c"))
        await handle.result()
        events = await history(m, handle.pid)
        return (
            (await handle.info()).steps,
            kinds(events).count("StepSkipped"),
            kinds(events).count("ProcessRewound"),
        )

    report = await explore_crashes(scenario)
    assert report.output == ({"a": "completed", "b": "skipped", "c": "completed"}, 1, 1)


async def breaks(data):
    raise ValueError("no")


async def _unless_done(verb):
    with contextlib.suppress(InvalidStateError):  # it was done before the crash
        await verb
