"""Starting once: keys, their scope, and what happens when one is taken."""

from __future__ import annotations

import contextlib

import anyio
import pytest

from procactors import (
    InvalidDefinitionError,
    KeyConflictError,
    ProcactorsError,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    Step,
)
from tests.behaviour.history import until, until_status
from tests.behaviour.steps import ask, echo, fail, fail_often, forever, gated, grow, note, slow_to_end

P = Process("p", [echo])
GATED = Process("p", [gated])


class Crowd:
    """Counts how many are inside at once."""

    def __init__(self):
        self.inside = 0
        self.most = 0
        self.entered = 0


async def one_at_a_time(data, ctx):
    crowd = ctx.services["crowd"]
    crowd.inside += 1
    crowd.entered += 1
    crowd.most = max(crowd.most, crowd.inside)
    try:
        await anyio.sleep(0.5)
    finally:
        crowd.inside -= 1
    return data


async def together(function, times):
    """Call an async function many times at once; return what each returned or raised."""
    results = []

    async def one(number):
        try:
            results.append(await function(number))
        except ProcactorsError as error:
            results.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(times):
            tasks.start_soon(one, number)
    return results


async def test_the_same_key_gives_the_first_process(m, probe):
    first = await m.start(P, {"n": 1}, key="k")
    second = await m.start(P, {"n": 2}, key="k")
    assert first.pid == second.pid
    assert await second.result() == {"n": 1}
    assert (await m.start(P, {"n": 3}, key="k")).pid == first.pid
    assert len(await m.list()) == 1


async def test_the_same_key_with_another_definition_still_gives_the_first(m):
    first = await m.start(P, {"n": 1}, key="k")
    other = await m.start(Process("other", [grow]), {"n": 2}, key="k")
    assert other.pid == first.pid
    assert (await other.info()).name == "p"


async def test_different_keys_and_no_keys_are_different_processes(m):
    pids = {(await m.start(P, key=key)).pid for key in ["a", "b", "A", "a ", None, None]}
    assert len(pids) == 6


async def test_fifty_starts_of_one_key_at_once_are_one_process(m, probe):
    handles = await together(lambda n: m.start(Process("p", [note]), {"n": n}, key="k"), 50)
    assert len({handle.pid for handle in handles}) == 1
    await handles[0].result()
    assert len(probe.calls) == 1
    assert len(await m.list()) == 1


async def test_fifty_starts_of_one_key_on_two_managers_are_one_process(file_world, probe):
    async with file_world.manager() as m, file_world.manager() as other:
        handles = await together(lambda n: (m, other)[n % 2].start(Process("p", [note]), key="k"), 50)
        assert len({handle.pid for handle in handles}) == 1
        await m.result(handles[0].pid)
        assert len(probe.calls) == 1


async def test_raise_refuses_a_taken_key(m):
    first = await m.start(P, key="k", on_conflict="raise")
    with pytest.raises(KeyConflictError) as caught:
        await m.start(P, key="k", on_conflict="raise")
    assert caught.value.pid == first.pid
    assert "k" in str(caught.value)


async def test_raise_under_a_race_lets_exactly_one_through(m):
    results = await together(lambda n: m.start(P, key="k", on_conflict="raise"), 50)
    losers = [result for result in results if isinstance(result, KeyConflictError)]
    assert len(losers) == 49
    assert len(await m.list()) == 1


async def test_skip_returns_none_for_a_taken_key(m):
    assert await m.start(P, key="k", on_conflict="skip") is not None
    assert await m.start(P, key="k", on_conflict="skip") is None


async def test_skip_under_a_race_lets_exactly_one_through(m):
    results = await together(lambda n: m.start(P, key="k", on_conflict="skip"), 50)
    assert sum(result is not None for result in results) == 1


async def test_replace_takes_the_key_from_an_ended_process(m):
    first = await m.start(P, {"n": 1}, key="k")
    await first.result()
    second = await m.start(P, {"n": 2}, key="k", on_conflict="replace")
    assert second.pid != first.pid
    assert await second.result() == {"n": 2}
    assert (await m.start(P, key="k")).pid == second.pid
    assert await first.result() == {"n": 1}


async def test_replace_takes_the_key_from_a_failed_process(m):
    first = await m.start(Process("p", [fail]), key="k")
    with pytest.raises(ProcessFailedError):
        await first.result()
    second = await m.start(P, {"n": 2}, key="k", on_conflict="replace")
    assert await second.result() == {"n": 2}


async def test_replace_without_a_holder_just_starts(m):
    assert await (await m.start(P, {"n": 1}, key="k", on_conflict="replace")).result() == {"n": 1}


async def test_replace_waits_until_the_process_before_is_undone(m):
    first = await m.start(Process("p", [Step("a", echo, undo=echo), Step("b", forever)]), key="k")
    await until(m, first.pid, "StepFinished")
    second = await m.start(P, {"n": 2}, key="k", on_conflict="replace")
    assert await second.result(timeout=60) == {"n": 2}
    assert (await first.info()).status == "cancelled"


async def test_replace_cancels_a_running_process_and_waits_for_its_end(m, probe):
    first = await m.start(Process("p", {"old": slow_to_end}), {}, key="k")
    await probe.reached["old"].wait()
    second = await m.start(Process("p", {"new": note}), {"n": 2}, key="k", on_conflict="replace")
    assert second.pid != first.pid
    await anyio.sleep(1)
    assert (await first.info()).status == "cancelling"
    assert probe.steps == ["old"]
    assert (await second.info()).status == "queued"
    probe.gates["old"].set()
    assert await second.result() == {"n": 2}
    with pytest.raises(ProcessCancelledError):
        await first.result()
    assert (await first.info()).ended_at <= (await second.info()).started_at


@pytest.mark.parametrize("state", ["queued", "sleeping", "interrupted", "running"])
async def test_replace_of_a_live_process_cancels_it_whatever_its_status(world, probe, state):
    async with world.manager(max_running=1) as m:
        if state == "queued":
            blocker = await m.start(Process("b", {"blocker": gated}), {})
            first = await m.start(P, key="k")
        elif state == "sleeping":
            first = await m.start(P, key="k", delay=1000)
        elif state == "interrupted":
            first = await m.start(Process("p", [ask]), key="k")
        else:
            first = await m.start(Process("p", [forever]), key="k")
        await until_status(first, state)
        second = await m.start(Process("p", {"new": note}), {"n": 2}, key="k", on_conflict="replace")
        if state == "queued":
            probe.gates["blocker"].set()
            await blocker.result()
        assert await second.result() == {"n": 2}
        assert (await first.info()).status == "cancelled"
        assert (await second.info()).key == "k"


async def test_twenty_replaces_at_once_never_run_side_by_side_and_one_survives(world):
    crowd = Crowd()
    async with world.manager(services={"crowd": crowd}) as m:
        process = Process("p", [one_at_a_time])
        handles = await together(lambda n: m.start(process, {"n": n}, key="k", on_conflict="replace"), 20)
        assert len({handle.pid for handle in handles}) == 20
        ends = await together(lambda n: handles[n].result(), 20)
        survivors = [end for end in ends if not isinstance(end, ProcessCancelledError)]
        assert len(survivors) == 1
        assert crowd.most == 1
        finished = [info.pid for info in await m.list("finished")]
        assert [(await m.start(P, key="k")).pid] == finished


async def test_replaced_twice_while_the_first_is_still_ending(m, probe):
    first = await m.start(Process("p", {"old": slow_to_end}), {}, key="k")
    await probe.reached["old"].wait()
    second = await m.start(Process("p", {"middle": note}), {}, key="k", on_conflict="replace")
    third = await m.start(Process("p", {"last": note}), {}, key="k", on_conflict="replace")
    await anyio.sleep(0.5)
    assert probe.steps == ["old"]
    probe.gates["old"].set()
    await third.result()
    assert (await first.info()).status == "cancelled"
    assert (await second.info()).status == "cancelled"
    assert probe.steps == ["old", "last"]


async def test_who_waits_for_the_end_of_a_keys_holder_goes_on_waiting_when_it_is_cancelled_and_rewound(
    m, probe
):
    first = await m.start(Process("p", {"old": slow_to_end}), {}, key="k")
    await probe.reached["old"].wait()
    second = await m.start(Process("p", {"new": note}), {"n": 2}, key="k", on_conflict="replace")
    assert await second.cancel()
    with pytest.raises(ProcessCancelledError):
        await second.result()
    await second.rewind("new")
    await anyio.sleep(1)
    assert (await first.info()).status == "cancelling"
    assert (await second.info()).status == "queued"
    assert probe.steps == ["old"]
    probe.gates["old"].set()
    assert await second.result() == {"n": 2}


async def test_a_key_is_held_until_its_first_holder_has_ended_although_who_was_to_replace_it_is_cancelled(
    m, probe
):
    active = {"key": "k", "key_scope": "active"}
    first = await m.start(Process("p", {"old": slow_to_end}), {}, **active)
    await probe.reached["old"].wait()
    second = await m.start(Process("p", {"new": note}), {}, **active, on_conflict="replace")
    assert await second.cancel()
    with pytest.raises(ProcessCancelledError):
        await second.result()
    assert (await m.start(P, **active)).pid == first.pid
    third = await m.start(Process("p", {"last": note}), {}, **active, on_conflict="replace")
    await anyio.sleep(0.5)
    assert probe.steps == ["old"]
    probe.gates["old"].set()
    await third.result()
    assert probe.steps == ["old", "last"]
    assert (await m.start(P, **active)).pid not in {first.pid, second.pid, third.pid}


async def test_an_active_key_is_free_when_its_process_has_finished(m):
    first = await m.start(P, key="k", key_scope="active")
    await first.result()
    second = await m.start(P, key="k", key_scope="active")
    assert second.pid != first.pid


async def test_an_active_key_is_held_while_its_process_lives(m, probe):
    first = await m.start(GATED, key="k", key_scope="active")
    await probe.reached["gated"].wait()
    assert (await m.start(GATED, key="k", key_scope="active")).pid == first.pid
    with pytest.raises(KeyConflictError):
        await m.start(P, key="k", on_conflict="raise")
    probe.gates["gated"].set()
    await first.result()


async def test_an_active_key_is_free_after_failure_and_cancel(m, probe):
    failed = await m.start(Process("p", [fail]), key="k", key_scope="active")
    with pytest.raises(ProcessFailedError):
        await failed.result()
    cancelled = await m.start(GATED, key="k", key_scope="active")
    assert cancelled.pid != failed.pid
    await cancelled.cancel()
    with pytest.raises(ProcessCancelledError):
        await cancelled.result()
    assert (await m.start(P, key="k", on_conflict="raise")).pid not in {failed.pid, cancelled.pid}


async def test_a_retried_process_does_not_take_its_key_from_the_new_holder(m, probe):
    failed = await m.start(Process("p", [fail]), key="k", key_scope="active")
    with pytest.raises(ProcessFailedError):
        await failed.result()
    holder = await m.start(GATED, key="k", key_scope="active")
    with contextlib.suppress(KeyConflictError):
        await failed.retry()
    assert (await m.start(P, key="k", key_scope="active")).pid == holder.pid
    probe.gates["gated"].set()
    await holder.result()


async def test_a_retried_process_holds_its_active_key_again(m, probe):
    probe.failures = 1
    first = await m.start(Process("p", {"a": fail_often, "b": gated}), key="k", key_scope="active")
    with pytest.raises(ProcessFailedError):
        await first.result()
    await first.retry()
    await probe.reached["b"].wait()
    assert (await m.start(P, key="k", key_scope="active")).pid == first.pid
    probe.gates["b"].set()
    await first.result()


async def test_a_key_is_held_after_the_end(m):
    first = await m.start(P, key="k")
    await first.result()
    assert (await m.start(P, key="k")).pid == first.pid


async def test_a_key_is_held_through_a_kill(world):
    async with world.manager() as m:
        first = await m.start(P, {"n": 1}, key="k")
        await first.result()
        await m.kill()
    async with world.manager() as m:
        assert (await m.start(P, {"n": 2}, key="k")).pid == first.pid


async def test_a_key_is_free_when_retention_has_deleted_its_process(memory_world):
    async with memory_world.manager() as m:
        first = await m.start(P, key="k")
        await first.result()
        await memory_world.clock.advance("2d")
        assert (await m.start(P, key="k")).pid != first.pid


@pytest.mark.parametrize("wrong", [{"on_conflict": "explode"}, {"key_scope": "forever"}])
async def test_a_wrong_word_is_refused(m, wrong):
    with pytest.raises(InvalidDefinitionError):
        await m.start(P, key="k", **wrong)
    assert await m.list() == []


@pytest.mark.parametrize("key", ["", "ключ", "a/b?c=d e", "x" * 5000, "'; --"])
async def test_any_text_is_a_key(m, key):
    first = await m.start(P, key=key)
    assert (await first.info()).key == key
    assert (await m.start(P, key=key)).pid == first.pid
