import logging

import anyio
import pytest
from anyio.lowlevel import checkpoint

from procactors.deferred import (
    CallableUpdate,
    DeferredUpdates,
    Report,
    Stage,
    TransactionRoundDefiningUpdate,
)
from procactors.errors import IllegalRecursionError
from tests.unit.deferred.samples import (
    DataNote,
    EnqueueableNote,
    MergeableNote,
    Note,
    adding,
    failing,
)


def note(log, name, *children, stage=None):
    return Note(log, name, adding(*children, stage=stage) if children else None)


async def test_updates_run_in_order_data_first(updates, log):
    for update in (Note(log, "a"), DataNote(log, "d"), Note(log, "b")):
        updates.add(update)
    assert await updates.run() == Report(ran=3)
    assert log == ["d", "a", "b"]


async def test_stage_covers_the_earlier_one(updates, log):
    updates.add(Note(log, "post"))
    updates.add(Note(log, "pre"), Stage.PRESEND)
    await updates.run(Stage.PRESEND)
    assert log == ["pre"]
    updates.add(Note(log, "pre again"), Stage.PRESEND)
    await updates.run(Stage.POSTSEND)
    assert log == ["pre", "pre again", "post"]


async def test_children_run_before_siblings_and_grandchildren_breadth_first(updates, log):
    updates.add(note(log, "a", note(log, "a1", note(log, "a11")), note(log, "a2")))
    updates.add(note(log, "b"))
    await updates.run()
    assert log == ["a", "a1", "a2", "a11", "b"]


async def test_explicit_run_gives_children_levels_of_their_own(updates, log):
    async def run_now():
        updates.add(note(log, "x1", note(log, "x11")))
        updates.add(note(log, "x2"))
        report = await updates.run()
        log.append((report.ran, updates.depth))

    updates.add(TransactionRoundDefiningUpdate(run_now))
    await updates.run()
    assert log == ["x1", "x11", "x2", (3, 1)]


async def test_later_stage_waits_in_the_level_and_moves_up(updates, log):
    def add_later():
        updates.add(Note(log, "later"))
        log.append(updates.pending_count())

    updates.add(CallableUpdate(add_later), Stage.PRESEND)
    await updates.run(Stage.PRESEND)
    assert log == [1]
    assert updates.pending(Stage.POSTSEND)
    await updates.run(Stage.POSTSEND)
    assert log == [1, "later"]


async def test_mergeables_of_updates_meet_at_the_root(updates, log):
    for name in "ab":
        updates.add(note(log, name, MergeableNote(log, f"m{name}"), note(log, f"{name}1")))
    report = await updates.run()
    assert log == ["a", "a1", "b", "b1", "ma+mb"]
    assert report == Report(ran=5, merged=1)


async def test_update_that_is_not_round_defining_may_not_run_others(updates, caplog):
    seen = []

    async def run_now():
        with pytest.raises(IllegalRecursionError) as caught:
            await updates.run()
        seen.append(str(caught.value))

    updates.add(CallableUpdate(run_now))
    updates.add(Note([], "x", run_now))
    assert (await updates.run()).failed == 0
    assert "requires a transaction round" in seen[0]
    assert "not aware of transaction rounds" in seen[1]


async def test_failure_stops_nobody_and_what_it_added_runs(updates, log, caplog):
    def add_and_fail():
        updates.add(Note(log, "child"))
        raise ValueError("x")

    updates.add(Note(log, "a", add_and_fail))
    updates.add(Note(log, "b"))
    assert await updates.run() == Report(ran=2, failed=1)
    assert log == ["a", "child", "b"]
    assert "Note (deferred by" in caplog.text
    assert "failed to run" in caplog.text


async def test_failure_is_rolled_back(ledger, caplog):
    updates = DeferredUpdates(ledger)

    async def write_and_fail():
        ledger.write("lost")
        await checkpoint()
        raise ValueError("x")

    updates.add(CallableUpdate(write_and_fail))
    updates.add(CallableUpdate(lambda: ledger.write("kept")))
    assert await updates.run() == Report(ran=1, failed=1)
    assert (ledger.rows(), ledger.in_transaction()) == (["kept"], False)


async def test_rollback_that_fails_is_logged_and_stops_nobody(ledger, log, caplog):
    ledger.rollback = failing(OSError("gone"))
    updates = DeferredUpdates(ledger)
    updates.add(TransactionRoundDefiningUpdate(failing(ValueError("x"))))
    updates.add(TransactionRoundDefiningUpdate(lambda: log.append("b")))
    await updates.run()
    assert log == ["b"]
    assert "failed to rollback" in caplog.text


async def test_cancelled_update_is_counted_and_does_nothing(ledger, log):
    updates = DeferredUpdates()
    await ledger.begin()
    updates.add_callable(lambda: log.append("a"), cancel_on_rollback=[ledger])
    await ledger.rollback()
    assert await updates.run() == Report(cancelled=1)
    assert log == []


class TestEnqueueing:
    async def test_failed_enqueueable_becomes_a_process(self, log, caplog):
        async def enqueue(process, data):
            await checkpoint()
            log.append((process, data))

        updates = DeferredUpdates(enqueue=enqueue)
        updates.add(EnqueueableNote(log, "e", failing(ValueError("x"))))
        assert await updates.run() == Report(failed=1, enqueued=1)
        assert log == ["e", ("process", {"name": "e"})]

    async def test_managers_start_takes_it_by_default(self, log, caplog):
        class Manager:
            async def start(self, process, data):
                log.append(process)

        updates = DeferredUpdates(manager=Manager())
        updates.add(EnqueueableNote(log, "e", failing(ValueError("x"))))
        await updates.run()
        assert log == ["e", "process"]

    async def test_without_manager_it_just_fails(self, updates, caplog):
        updates.add(EnqueueableNote([], "e", failing(ValueError("x"))))
        assert await updates.run() == Report(failed=1)

    async def test_failure_to_enqueue_is_logged(self, log, caplog):
        updates = DeferredUpdates(enqueue=failing(OSError("full")))
        updates.add(EnqueueableNote(log, "e", failing(ValueError("x"))))
        updates.add(Note(log, "b"))
        assert await updates.run() == Report(ran=1, failed=1)
        assert "failed to enqueue" in caplog.text


class ClientError(Exception):
    pass


class TestPresentableErrors:
    @pytest.fixture
    def updates(self):
        return DeferredUpdates(presentable=lambda error: isinstance(error, ClientError))

    async def test_first_one_is_raised_after_everything_has_run(self, updates, log, caplog):
        updates.add(Note(log, "a", failing(ValueError("x"))), Stage.PRESEND)
        updates.add(Note(log, "b", failing(ClientError("first"))), Stage.PRESEND)
        updates.add(Note(log, "c", failing(ClientError("second"))), Stage.PRESEND)
        with pytest.raises(ClientError, match="first"):
            await updates.run(Stage.PRESEND)
        assert log == ["a", "b", "c"]
        assert updates.take_report() == Report(failed=3)

    @pytest.mark.parametrize("stage", [Stage.POSTSEND, Stage.ALL])
    async def test_none_is_raised_by_the_other_stages(self, updates, stage, caplog):
        updates.add(Note([], "a", failing(ClientError("x"))), Stage.PRESEND)
        assert await updates.run(stage) == Report(failed=1)


class TestErrorsOfMerge:
    class Stubborn(MergeableNote):
        def merge(self, other):
            raise ValueError(other.name)

    async def test_error_while_moving_up_ends_the_run_and_loses_what_was_claimed(self, updates, log, caplog):
        updates.add(self.Stubborn(log, "m1"))
        updates.add(note(log, "a", self.Stubborn(log, "m2"), note(log, "a1")))
        updates.add(note(log, "b"))
        updates.clear()
        updates.add(note(log, "a", self.Stubborn(log, "m1")))
        updates.add(note(log, "b", self.Stubborn(log, "m2"), note(log, "b1")))
        updates.add(note(log, "c"))
        with pytest.raises(ValueError, match="m2"):
            await updates.run()
        assert log == ["a", "b"]
        lost = [record.getMessage() for record in caplog.records]
        assert len([message for message in lost if "is dropped" in message]) == 2
        assert updates.depth == 0
        assert [update.name for update in updates.pending()] == ["m1"]


class TestCancellation:
    async def test_update_in_progress_is_rolled_back_and_the_others_stay(self, ledger, log):
        updates = DeferredUpdates(ledger)

        async def write_and_wait():
            ledger.write("lost")
            updates.add(Note(log, "child"))
            await anyio.sleep_forever()

        updates.add(CallableUpdate(write_and_wait))
        updates.add(Note(log, "b"))
        updates.add(Note(log, "pre"), Stage.PRESEND)
        with anyio.move_on_after(0.01) as scope:
            await updates.run()
        assert scope.cancelled_caught
        assert (ledger.rows(), ledger.in_transaction(), log) == ([], False, ["pre"])
        assert [getattr(update, "name", "?") for update in updates.pending()] == ["b", "child"]
        assert updates.take_report() == Report(ran=1, failed=1)
        assert (await updates.run()).ran == 2
        assert log == ["pre", "b", "child"]

    async def test_exit_from_a_plain_update_is_raised_after_the_rollback(self, ledger):
        updates = DeferredUpdates(ledger)
        updates.add_callable(failing(SystemExit(3)))
        updates.add_callable(lambda: None)
        with pytest.raises(SystemExit):
            await updates.run()
        assert not ledger.in_transaction()
        assert updates.pending_count() == 1
        bare = DeferredUpdates()
        bare.add_callable(failing(SystemExit(3)))
        with pytest.raises(SystemExit):
            await bare.run()
        assert not bare.in_round


async def test_other_tasks_get_their_turn_while_plain_updates_run(updates, log):
    for _ in range(500):
        updates.add_callable(lambda: log.append("update"))
    async with anyio.create_task_group() as group:
        group.start_soon(updates.run)
        while log.count("update") < 500:
            log.append("other")
            await checkpoint()
    first, last = log.index("update"), len(log) - log[::-1].index("update")
    assert "other" in log[first:last]


async def test_debug_log_tells_of_cancelled_updates(ledger, caplog):
    caplog.set_level(logging.DEBUG, "procactors.deferred")
    updates = DeferredUpdates()
    await ledger.begin()
    updates.add_callable(print, cancel_on_rollback=[ledger])
    await ledger.rollback()
    await updates.run()
    assert "was cancelled by a rollback" in caplog.text
