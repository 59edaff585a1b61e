import pytest

from procactors.deferred import CallableUpdate, DeferredUpdates, Report
from procactors.deferred._updates import KeyedUpdate
from procactors.errors import DeferredError
from tests.unit.deferred.samples import Note, failing


@pytest.fixture
def updates(log):
    return DeferredUpdates(keep=lambda update: log.append(f"kept {update.name}"))


async def test_durable_needs_somebody_who_keeps(log):
    with pytest.raises(DeferredError, match="durable=True needs"):
        DeferredUpdates().add(Note(log, "a"), durable=True)


async def test_persisted_has_the_durable_ones_kept_and_no_others(updates, log):
    updates.add(Note(log, "a"), durable=True)
    updates.add(Note(log, "b"))
    await updates.persisted()
    assert log == ["kept a"]
    assert await updates.run() == Report(ran=1, enqueued=1)
    assert log == ["kept a", "b"]


async def test_durable_one_is_kept_when_its_turn_comes_instead_of_run(updates, log):
    updates.add(Note(log, "a"), durable=True)
    assert await updates.run() == Report(enqueued=1)
    assert log == ["kept a"]


async def test_durable_one_is_not_kept_before_its_commit(updates, ledger, log):
    await ledger.begin()
    updates.add(Note(log, "a"), durable=True, after_commit=ledger)
    await updates.persisted()
    assert log == []
    await ledger.commit()
    await updates.persisted()
    assert log == ["kept a"]


async def test_what_could_not_be_kept_stays(log):
    updates = DeferredUpdates(keep=failing(OSError("full")))
    updates.add(Note(log, "a"), durable=True)
    with pytest.raises(OSError, match="full"):
        await updates.persisted()
    assert updates.pending_count() == 1


async def test_failure_to_keep_is_logged_and_stops_nobody(log, caplog):
    updates = DeferredUpdates(keep=failing(OSError("full")))
    updates.add(Note(log, "a"), durable=True)
    updates.add(Note(log, "b"))
    assert await updates.run() == Report(ran=1, failed=1)
    assert "failed to keep" in caplog.text


async def test_durable_ones_can_be_taken_by_somebody_who_keeps_them_himself(updates, log):
    updates.add(Note(log, "a"), durable=True)
    updates.add(Note(log, "b"))
    assert [update.name for update in updates.take_durable()] == ["a"]
    assert updates.pending_count() == 1


async def test_durable_one_that_a_rollback_has_cancelled_is_kept_by_nobody(ledger):
    kept = []
    updates = DeferredUpdates(keep=kept.append)
    await ledger.begin()
    for _ in range(3):
        updates.add(CallableUpdate(print, cancel_on_rollback=[ledger]), durable=True)
    await ledger.rollback()
    first, *_ = updates.pending()
    await updates.persisted()
    assert updates.take_report() == Report(cancelled=3)
    updates.add(first, durable=True)
    assert await updates.run() == Report(cancelled=1)
    assert kept == []


async def test_durable_one_is_kept_with_what_was_merged_into_it_and_not_cancelled(ledger):
    kept = []
    updates = DeferredUpdates(keep=lambda update: kept.append(update.args))

    def add(number, *databases):
        update = KeyedUpdate(
            print, number, key="sum", merge=lambda old, new: (old[0] + new[0],), cancel_on_rollback=databases
        )
        updates.add(update, durable=True)

    add(1)
    await ledger.begin()
    add(10, ledger)
    await ledger.rollback()
    add(100)
    await updates.persisted()
    assert kept == [(101,)]
