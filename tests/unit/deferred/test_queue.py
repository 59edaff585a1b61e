from contextvars import ContextVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from procactors.deferred import CallableUpdate, DeferredUpdates, Report, Stage, current_updates
from procactors.errors import NoDeferredScopeError
from tests.unit.deferred.samples import EnqueueableNote, Note, failing

variable = ContextVar("variable", default="nothing")


async def test_update_sees_the_context_in_which_it_was_added(updates, log):
    def add(value):
        variable.set(value)
        updates.add_callable(lambda: log.append(variable.get()))

        async def read():
            await checkpoint()
            log.append(variable.get())

        updates.add_callable(read)

    add("first")
    add("second")
    variable.set("third")
    await updates.run()
    assert log == ["first", "first", "second", "second"]


async def test_what_an_update_sets_is_seen_by_nobody_else(updates, log):
    updates.add_callable(lambda: variable.set("changed"))
    updates.add_callable(lambda: log.append(variable.get()))
    await updates.run()
    assert (log, variable.get()) == (["nothing"], "nothing")


@pytest.mark.parametrize("stage", [Stage.ALL, 3, "POSTSEND", None])
def test_update_is_deferred_to_a_stage(updates, stage):
    with pytest.raises(ValueError, match="PRESEND or POSTSEND"):
        updates.add(Note([], "a"), stage)


@pytest.mark.parametrize("stage", [3, "POSTSEND", None])
async def test_run_is_told_a_stage(updates, log, stage):
    updates.add(Note(log, "waits"))
    with pytest.raises(ValueError, match="PRESEND, POSTSEND or ALL"):
        await updates.run(stage)
    assert (log, updates.pending_count()) == ([], 1)


async def test_closed_queue_refuses_updates(updates):
    updates.close()
    with pytest.raises(NoDeferredScopeError, match="Note can't be deferred"):
        updates.add(Note([], "a"))


def test_questions_look_at_the_level_of_the_caller(updates, log):
    updates.add(Note(log, "post"))
    updates.add(Note(log, "pre"), Stage.PRESEND)
    assert updates.pending_count() == 2
    assert [update.name for update in updates.pending()] == ["pre", "post"]
    assert [update.name for update in updates.pending(Stage.PRESEND)] == ["pre"]
    assert repr(updates) == "<DeferredUpdates pending=2 parked=0>"
    updates.clear()
    assert (updates.pending_count(), updates.depth, updates.in_round) == (0, 0, False)


async def test_inside_an_update_only_its_own_queue_is_seen(updates, log):
    def look():
        log.append((updates.pending_count(), updates.depth))
        updates.add(Note(log, "child"))
        log.append(updates.pending_count())
        updates.clear()

    updates.add(CallableUpdate(look))
    updates.add(Note(log, "sibling"))
    await updates.run()
    assert log == [(0, 1), 1, "sibling"]


async def test_reports_of_the_root_follow_each_other(updates, log):
    updates.add(Note(log, "a"))
    assert await updates.run() == Report(ran=1)
    assert await updates.run() == Report()


async def test_second_task_waits_until_the_first_has_run_the_queue(updates, log):
    async def slow():
        log.append("begin")
        await checkpoint()
        await checkpoint()
        log.append("end")

    for _ in range(3):
        updates.add(CallableUpdate(slow))
    async with anyio.create_task_group() as group:
        group.start_soon(updates.run)
        group.start_soon(updates.run)
    assert log == ["begin", "end"] * 3


async def test_task_that_outlives_its_update_defers_into_what_is_still_open(updates, log):
    go_on = anyio.Event()

    async def late():
        await go_on.wait()
        updates.add(Note(log, "late"))
        log.append(updates.depth)

    async with anyio.create_task_group() as group:

        def start():
            group.start_soon(late)

        updates.add_callable(start)
        await updates.run()
        go_on.set()
    assert log == [0]
    await updates.run()
    assert log == [0, "late"]


async def test_queues_that_run_each_other_are_refused_instead_of_waiting_for_ever(updates, log, caplog):
    other = DeferredUpdates()
    other.add_callable(updates.run)

    async def run_other():
        log.append((await other.run()).failed)

    updates.add(CallableUpdate(run_other))
    await updates.run()
    assert log == [1]
    assert "further up by the same task" in caplog.text


async def test_task_of_an_update_that_is_over_may_wait_for_the_run(updates, log):
    async def wait_for_the_run():
        await updates.run()
        log.append("waited")

    async with anyio.create_task_group() as group:

        def start():
            group.start_soon(wait_for_the_run)

        async def slow():
            await checkpoint()
            await checkpoint()
            log.append("slow")

        updates.add_callable(start)
        updates.add_callable(slow)
        await updates.run()
    assert log == ["slow", "waited"]


async def test_update_may_be_added_twice_and_runs_twice(updates, log):
    update = Note(log, "a")
    updates.add(update)
    updates.add(update)
    assert (await updates.run()).ran == 2


async def test_queues_do_not_see_each_other(updates, log):
    other = DeferredUpdates()

    async def use_both():
        other.add(Note(log, "other"))
        log.append((updates.depth, other.depth, current_updates() is updates))
        with other.as_current():
            current_updates().add(Note(log, "other too"))

    updates.add(CallableUpdate(use_both))
    await updates.run()
    assert log == [(1, 0, True)]
    await other.run()
    assert log == [(1, 0, True), "other", "other too"]


async def test_failures_are_told_with_their_origin():
    told = []
    updates = DeferredUpdates(on_failure=lambda update, origin, error: told.append((update, origin, error)))
    updates.add_callable(lambda: 1 / 0)
    await updates.run()
    ((update, origin, error),) = told
    assert isinstance(error, ZeroDivisionError)
    assert "test_queue.py" in origin
    assert update.function.__name__ == "<lambda>"


async def test_manager_takes_processes_and_keeps_durable_updates(log):
    class Manager:
        async def start(self, process, data):
            log.append((process, data))

        async def keep_update(self, update):
            log.append(update.args)

    updates = DeferredUpdates(manager=Manager())
    updates.add(CallableUpdate(print, 1), durable=True)
    updates.add(EnqueueableNote([], "x", failing(ValueError())))
    await updates.run()
    assert log == [(1,), ("process", {"name": "x"})]
