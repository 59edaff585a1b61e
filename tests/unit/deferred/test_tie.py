import pytest

from procactors.deferred._tie import tie_to


async def test_tie_waits_until_its_transaction_is_over(ledger):
    await ledger.begin()
    tie = tie_to(ledger)
    assert (tie.is_waiting, tie.is_dropped) == (True, False)
    await ledger.commit()
    assert (tie.is_waiting, tie.is_dropped) == (False, False)


async def test_rollback_drops_and_who_is_parked_hears_of_it(ledger, log):
    await ledger.begin()
    tie = tie_to(ledger)
    tie.park(log.append)
    await ledger.rollback()
    assert (tie.is_waiting, tie.is_dropped, log) == (False, True, [False])


def test_nothing_ties_without_an_open_transaction(ledger):
    assert tie_to(ledger) is None
    with pytest.raises(TypeError):
        tie_to("no database")
