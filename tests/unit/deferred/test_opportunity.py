import anyio
import pytest

from procactors.deferred import CallableUpdate, DeferredUpdates, Stage, Wake
from tests.unit.deferred.samples import EnqueueableNote, Note, failing


@pytest.fixture
def woken():
    return []


async def test_try_runs_everything_if_nothing_is_in_the_way(updates, log):
    updates.add(Note(log, "post"))
    updates.add(Note(log, "pre"), Stage.PRESEND)
    assert await updates.try_opportunistic_run()
    assert log == ["pre", "post"]
    assert await updates.try_opportunistic_run()


async def test_try_does_nothing_inside_an_update(updates, log):
    async def attempt_it():
        log.append(await updates.try_opportunistic_run())

    updates.add(CallableUpdate(attempt_it))
    await updates.run()
    assert log == [False]


async def test_prevention_nests_and_does_not_concern_run(updates, log):
    updates.add(Note(log, "a"))
    with updates.prevent_opportunistic():
        with updates.prevent_opportunistic():
            pass
        assert not await updates.try_opportunistic_run()
        assert log == []
        await updates.run()
    assert await updates.try_opportunistic_run()
    assert log == ["a"]


async def test_adding_wakes_whoever_schedules_the_queue_but_not_from_inside(updates, woken):
    updates.on_ready(Wake(woken.append))
    updates.add_callable(lambda: updates.add_callable(lambda: None))
    await updates.run()
    assert woken == [updates]
    updates.on_ready(None)
    updates.add_callable(lambda: None)
    assert woken == [updates]


async def test_open_transaction_is_in_the_way_until_its_commit(ledger, log, woken):
    updates = DeferredUpdates(ledger, opportunistic=True)
    updates.on_ready(Wake(woken.append))
    await ledger.begin()
    updates.add(Note(log, "a"))
    woken.clear()
    assert not await updates.try_opportunistic_run()
    assert not await updates.try_opportunistic_run()
    await ledger.commit()
    assert woken == [updates]
    assert await updates.try_opportunistic_run()
    assert log == ["a"]


async def test_rollback_does_not_wake(ledger, woken):
    updates = DeferredUpdates(ledger, opportunistic=True)
    updates.on_ready(Wake(woken.append))
    await ledger.begin()
    await updates.try_opportunistic_run()
    await ledger.rollback()
    assert woken == []


async def test_try_that_meets_a_run_wakes_when_that_is_over(updates, woken):
    updates.on_ready(Wake(woken.append))
    is_running, go_on = anyio.Event(), anyio.Event()

    async def slow():
        is_running.set()
        await go_on.wait()

    updates.add(CallableUpdate(slow))
    async with anyio.create_task_group() as group:
        group.start_soon(updates.run)
        await is_running.wait()
        woken.clear()
        assert not await updates.try_opportunistic_run()
        assert woken == []
        go_on.set()
    assert woken == [updates]


class TestBigQueue:
    @pytest.fixture
    def updates(self, ledger, log):
        return DeferredUpdates(ledger, enqueue=lambda _, data: log.append(data["name"]), big_queue_size=3)

    async def test_enqueueables_become_processes_presend_first(self, updates, ledger, log):
        await ledger.begin()
        updates.add(EnqueueableNote(log, "post"))
        updates.add(EnqueueableNote(log, "pre"), Stage.PRESEND)
        assert not await updates.try_opportunistic_run()
        assert log == []
        updates.add(Note(log, "stays"))
        assert not await updates.try_opportunistic_run()
        assert log == ["pre", "post"]
        assert [update.name for update in updates.pending()] == ["stays"]
        assert updates.take_report().enqueued == 2

    async def test_process_that_cannot_be_made_loses_the_rest_with_a_warning(
        self, updates, ledger, log, caplog
    ):
        class Broken(EnqueueableNote):
            as_process = failing(ValueError("no process"))

        await ledger.begin()
        for cls in (EnqueueableNote, Broken, EnqueueableNote):
            updates.add(cls(log, cls.__name__))
        Broken.as_process = lambda _self: failing(ValueError("no process"))()
        with pytest.raises(ValueError, match="no process"):
            await updates.try_opportunistic_run()
        assert (log, updates.pending_count()) == (["EnqueueableNote"], 0)
        assert caplog.text.count("is dropped") == 2

    async def test_what_nobody_takes_stays(self, ledger, log):
        updates = DeferredUpdates(ledger, enqueue=failing(OSError("full")), big_queue_size=1)
        await ledger.begin()
        updates.add(EnqueueableNote(log, "a"))
        updates.add(EnqueueableNote(log, "b"))
        with pytest.raises(OSError, match="full"):
            await updates.try_opportunistic_run()
        assert [update.name for update in updates.pending()] == ["a", "b"]
