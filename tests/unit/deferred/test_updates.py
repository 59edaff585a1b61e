import pytest

from procactors.deferred import (
    AtomicSectionUpdate,
    AutoCommitUpdate,
    CallableUpdate,
    DataUpdate,
    EnqueueableUpdate,
    MergeableUpdate,
    RoundRequirement,
    TransactionRoundDefiningUpdate,
)
from procactors.deferred._updates import KeyedUpdate


@pytest.mark.parametrize("cls", [DataUpdate, MergeableUpdate, EnqueueableUpdate])
def test_base_class_leaves_the_work_to_its_subclass(cls):
    with pytest.raises(NotImplementedError):
        cls().run()


def test_base_classes_leave_merging_and_processes_to_their_subclasses():
    with pytest.raises(NotImplementedError):
        MergeableUpdate().merge(MergeableUpdate())
    with pytest.raises(NotImplementedError):
        EnqueueableUpdate().as_process()


def test_callable_passes_its_arguments_on(log):
    CallableUpdate(log.append, "a").run()
    assert log == ["a"]


def test_requirements_of_rounds():
    assert CallableUpdate(print).round_requirement is RoundRequirement.PRESENT
    assert TransactionRoundDefiningUpdate(print).round_requirement is RoundRequirement.ABSENT
    assert not hasattr(AutoCommitUpdate, "round_requirement")
    assert not hasattr(AtomicSectionUpdate, "round_requirement")


async def test_rollback_cancels_what_was_made_within(ledger, log):
    before = CallableUpdate(log.append, "before", cancel_on_rollback=[ledger])
    await ledger.begin()
    within = CallableUpdate(log.append, "within", cancel_on_rollback=[ledger])
    await ledger.rollback()
    assert (before.is_cancelled, within.is_cancelled) == (False, True)
    before.run()
    within.run()
    assert log == ["before"]


async def test_commit_cancels_nothing_and_a_later_rollback_neither(ledger):
    await ledger.begin()
    update = CallableUpdate(print, cancel_on_rollback=[ledger])
    await ledger.commit()
    await ledger.begin()
    await ledger.rollback()
    assert not update.is_cancelled


@pytest.mark.parametrize("cls", [AutoCommitUpdate, AtomicSectionUpdate])
async def test_database_update_is_cancelled_by_its_own_database_and_gets_it(ledger, log, cls):
    await ledger.begin()
    cancelled = cls(ledger, log.append)
    await ledger.rollback()
    await cancelled.run()
    assert log == []
    await cls(ledger, log.append).run()
    assert log == [ledger]


async def test_auto_commit_ends_the_transaction_of_a_database_without_such_a_mode(ledger):
    await ledger.begin()
    await AutoCommitUpdate(ledger, lambda db: db.write("kept")).run()
    await ledger.rollback()
    assert ledger.rows() == ["kept"]


class TestKeyed:
    def keyed(self, log, *args, merge=None, databases=()):
        return KeyedUpdate(
            lambda *got: log.append(got), *args, key="k", merge=merge, cancel_on_rollback=databases
        )

    def test_newest_wins_without_merge(self, log):
        first = self.keyed(log, 1)
        first.merge(self.keyed(log, 2))
        first.run()
        assert log == [(2,)]

    def test_merge_gets_old_and_new_arguments(self, log):
        def merge(old, new):
            return old + new

        first = self.keyed(log, 1, merge=merge)
        first.merge(self.keyed(log, 2, merge=merge))
        first.merge(self.keyed(log, 3, merge=merge))
        first.run()
        assert log == [(1, 2, 3)]

    def test_keys_do_not_meet_classes(self, log):
        assert self.keyed(log).merge_key() == self.keyed(log).merge_key()
        assert self.keyed(log).merge_key() != KeyedUpdate

    async def test_rollback_takes_back_only_what_belonged_to_it(self, ledger, log):
        def merge(old, new):
            return old + new

        first = self.keyed(log, 1, merge=merge)
        await ledger.begin()
        first.merge(self.keyed(log, 2, merge=merge, databases=[ledger]))
        await ledger.rollback()
        first.merge(self.keyed(log, 3, merge=merge))
        first.run()
        assert log == [(1, 3)]

    async def test_what_was_merged_into_a_cancelled_one_is_called(self, ledger, log):
        await ledger.begin()
        first = self.keyed(log, 1, databases=[ledger])
        first.merge(self.keyed(log, 2))
        await ledger.rollback()
        first.run()
        assert log == [(2,)]

    async def test_nothing_is_called_when_all_are_cancelled(self, ledger, log):
        await ledger.begin()
        first = self.keyed(log, 1, databases=[ledger])
        first.merge(self.keyed(log, 2, databases=[ledger]))
        await ledger.rollback()
        first.run()
        assert first.is_cancelled
        assert log == []
