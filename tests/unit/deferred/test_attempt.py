import pytest

from procactors.deferred import (
    CallableUpdate,
    DataUpdate,
    DeferredUpdates,
    EnqueueableUpdate,
    Report,
    RoundRequirement,
    TransactionRoundDefiningUpdate,
)
from procactors.deferred._attempt import TransactionRound
from procactors.errors import RoundPendingError
from tests.unit.deferred.samples import Note, failing


async def test_update_runs_in_a_round_that_is_committed(ledger):
    updates = DeferredUpdates(ledger)
    seen = []

    def write():
        seen.append((updates.in_round, ledger.in_transaction()))
        ledger.write("a")

    await updates.attempt(CallableUpdate(write))
    assert seen == [(True, True)]
    assert (updates.in_round, ledger.in_transaction(), ledger.rows()) == (False, False, ["a"])


async def test_round_defining_update_runs_outside_of_any(ledger):
    updates = DeferredUpdates(ledger)
    seen = []
    await updates.attempt(
        TransactionRoundDefiningUpdate(lambda: seen.append((updates.in_round, ledger.in_transaction())))
    )
    assert seen == [(False, False)]


async def test_what_a_round_defining_update_leaves_open_is_committed(ledger):
    async def begin_and_write():
        await ledger.begin()
        ledger.write("a")

    await DeferredUpdates(ledger).attempt(TransactionRoundDefiningUpdate(begin_and_write))
    assert (ledger.in_transaction(), ledger.rows()) == (False, ["a"])


async def test_failure_leaves_the_round_open_for_the_caller_to_roll_back(ledger):
    updates = DeferredUpdates(ledger)
    with pytest.raises(ValueError, match="x"):
        await updates.attempt(CallableUpdate(failing(ValueError("x"))))
    assert updates.in_round
    with pytest.raises(RoundPendingError):
        await updates.attempt(CallableUpdate(print))
    await ledger.rollback()
    assert not updates.in_round
    await updates.attempt(CallableUpdate(lambda: ledger.write("a")))
    assert ledger.rows() == ["a"]


async def test_open_transaction_refuses_the_update(ledger, log):
    updates = DeferredUpdates(ledger)
    await ledger.begin()
    with pytest.raises(RoundPendingError, match="pending"):
        await updates.attempt(Note(log, "a"))
    assert log == []


async def test_database_that_knows_of_changes_is_asked_for_them(ledger, log):
    class Discerning(type(ledger)):
        def has_changes(self):
            return False

        async def begin(self):
            await self.commit()
            await super().begin()

    with Discerning.opened() as discerning:
        await discerning.begin()
        await DeferredUpdates(discerning).attempt(Note(log, "a"))
    assert log == ["a"]


async def test_round_that_cannot_begin_is_not_open(ledger):
    updates = DeferredUpdates(ledger)
    ledger.begin = failing(OSError("no database"))
    with pytest.raises(OSError, match="no database"):
        await updates.attempt(CallableUpdate(print))
    assert not updates.in_round


async def test_update_may_commit_its_own_round_and_go_on(ledger):
    updates = DeferredUpdates(ledger)
    seen = []

    async def commit_in_between():
        ledger.write("a")
        await ledger.commit()
        seen.append((updates.in_round, ledger.in_transaction()))
        await ledger.begin()
        ledger.write("b")

    await updates.attempt(CallableUpdate(commit_in_between))
    assert seen == [(False, False)]
    assert (ledger.in_transaction(), ledger.rows()) == (False, ["a", "b"])


async def test_bundle_attempts_each_of_its_updates_and_becomes_a_process_if_one_fails(ledger, caplog):
    enqueued = []

    class Bundle(EnqueueableUpdate):
        round_requirement = RoundRequirement.ABSENT

        async def run(self):
            failure = None
            for name, then in [("a", None), ("b", failing(ValueError("x"))), ("c", None)]:
                try:
                    await updates.attempt(Writing(name, then))
                except ValueError as error:
                    failure = error
                    await ledger.rollback()
            if failure is not None:
                raise failure

        def as_process(self):
            return "bundle", {}

    class Writing(Note, DataUpdate):
        def __init__(self, name, then):
            super().__init__([], name, then)

        def run(self):
            ledger.write(self.name)
            return super().run()

    updates = DeferredUpdates(ledger, enqueue=lambda process, _: enqueued.append(process))
    updates.add(Bundle())
    assert await updates.run() == Report(failed=1, enqueued=1)
    assert (enqueued, ledger.rows()) == (["bundle"], ["a", "c"])


class TestForeignRound:
    """An update that runs another, catches its failure and does not roll back."""

    @staticmethod
    def runs(updates, other):
        async def run():
            with pytest.raises((ValueError, RoundPendingError)):
                await updates.attempt(other)

        return run

    async def test_commit_of_a_round_of_another_is_refused(self, updates):
        inner = CallableUpdate(failing(ValueError("x")), origin="inner")
        outer = TransactionRoundDefiningUpdate(self.runs(updates, inner), origin="outer")
        with pytest.raises(RoundPendingError, match="outer: the transaction round of inner is still running"):
            await updates.attempt(outer)

    async def test_once_refused_it_has_to_be_rolled_back(self, updates):
        inner = CallableUpdate(failing(ValueError("x")), origin="inner")
        middle = TransactionRoundDefiningUpdate(self.runs(updates, inner), origin="middle")
        outer = TransactionRoundDefiningUpdate(self.runs(updates, middle), origin="inner")
        with pytest.raises(RoundPendingError, match="rolled back first"):
            await updates.attempt(outer)

    async def test_rounds_go_by_name(self, updates):
        inner = CallableUpdate(failing(ValueError("x")), origin="same")
        outer = TransactionRoundDefiningUpdate(self.runs(updates, inner), origin="same")
        await updates.attempt(outer)
        assert not updates.in_round

    async def test_rollback_makes_it_good(self, updates):
        transaction_round = TransactionRound(None)
        transaction_round.owner = "somebody"
        await transaction_round.rollback()
        await transaction_round.attempt(CallableUpdate(lambda: None))


async def test_nobody_is_told_of_a_transaction_that_is_not_open(ledger):
    TransactionRound(ledger).when_resolved(failing(AssertionError))
    TransactionRound(None).when_resolved(failing(AssertionError))
    await ledger.commit()
