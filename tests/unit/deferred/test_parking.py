"""`after_commit`: eligible after the commit, dropped by a rollback, and no run ever waits."""

from procactors.deferred import CallableUpdate, DeferredUpdates, Report, Stage, Wake
from tests.unit.deferred.samples import MergeableNote, Note


async def test_without_open_transaction_it_is_eligible_at_once(updates, ledger, log):
    updates.add(Note(log, "a"), after_commit=ledger)
    await updates.run()
    assert log == ["a"]


async def test_commit_before_its_turn_keeps_its_place(updates, ledger, log):
    await ledger.begin()
    updates.add(Note(log, "a"), after_commit=ledger)
    updates.add(Note(log, "b"))
    await ledger.commit()
    await updates.run()
    assert log == ["a", "b"]


async def test_rollback_before_its_turn_drops_it(updates, ledger, log):
    await ledger.begin()
    updates.add(Note(log, "a"), after_commit=ledger)
    await ledger.rollback()
    assert (updates.pending_count(), updates.pending()) == (0, [])
    assert await updates.run() == Report(cancelled=1)
    assert log == []


async def test_turn_before_the_commit_moves_it_on_to_postsend(updates, ledger, log):
    woken = []
    updates.on_ready(Wake(woken.append))
    await ledger.begin()
    updates.add(Note(log, "a"), Stage.PRESEND, after_commit=ledger)
    updates.add(Note(log, "b"), Stage.PRESEND)
    woken.clear()
    await updates.run(Stage.PRESEND)
    assert (log, updates.pending_count()) == (["b"], 1)
    assert [update.name for update in updates.pending(Stage.POSTSEND)] == ["a"]
    assert updates.pending(Stage.PRESEND) == []
    assert repr(updates) == "<DeferredUpdates pending=0 parked=1>"
    await updates.run(Stage.POSTSEND)
    assert log == ["b"]
    await ledger.commit()
    assert woken == [updates]
    await updates.run(Stage.POSTSEND)
    assert log == ["b", "a"]


async def test_rollback_after_its_turn_drops_it_and_wakes(updates, ledger, log):
    woken = []
    updates.on_ready(Wake(woken.append))
    await ledger.begin()
    updates.add(Note(log, "a"), after_commit=ledger)
    await updates.run()
    woken.clear()
    await ledger.rollback()
    assert woken == [updates]
    assert (updates.pending_count(), await updates.run()) == (0, Report(cancelled=1))


async def test_clearing_forgets_what_is_parked(updates, ledger, log):
    await ledger.begin()
    updates.add(Note(log, "a"), after_commit=ledger)
    await updates.run()
    updates.clear()
    await ledger.commit()
    assert await updates.run() == Report()


async def test_tied_in_a_nested_update_it_comes_back_at_the_root(updates, ledger, log):
    def add_tied():
        updates.add(Note(log, "a"), after_commit=ledger)

    await ledger.begin()
    updates.add(CallableUpdate(add_tied))
    await updates.run()
    assert [update.name for update in updates.pending()] == ["a"]
    await ledger.commit()
    await updates.run()
    assert log == ["a"]


async def test_tied_mergeables_merge_when_it_is_known_that_they_may(updates, ledger, log):
    updates.add(MergeableNote(log, "m1"))
    await ledger.begin()
    updates.add(MergeableNote(log, "m2"), after_commit=ledger)
    assert updates.pending_count() == 2
    await ledger.commit()
    assert await updates.run() == Report(ran=1, merged=1)
    assert log == ["m1+m2"]


async def test_updates_in_rounds_of_the_same_database_can_be_tied_to_it(ledger, log):
    updates = DeferredUpdates(ledger)

    def write_and_defer():
        ledger.write("x")
        updates.add(Note(log, "after"), after_commit=ledger)

    updates.add(CallableUpdate(write_and_defer))
    await updates.run()
    assert log == ["after"]
