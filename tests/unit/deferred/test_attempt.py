import pytest

from procactors.deferred import CallableUpdate, DeferredUpdates, TransactionRoundDefiningUpdate
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
