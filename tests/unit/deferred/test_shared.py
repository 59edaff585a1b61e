from threading import RLock

import pytest

from procactors.deferred._attempt import TransactionRound
from procactors.deferred._report import Counts
from procactors.deferred._shared import Shared
from procactors.errors import DeferredError
from tests.unit.deferred.samples import EnqueueableNote


def shared(enqueue=None, keep=None, presentable=None):
    return Shared(TransactionRound(None), RLock(), enqueue, keep, None, presentable, Counts())


async def test_without_anybody_to_take_them_nothing_is_enqueued_or_kept():
    alone = shared()
    assert not alone.can_enqueue
    with pytest.raises(DeferredError, match="no manager"):
        await alone.enqueue(EnqueueableNote([], "a"))
    with pytest.raises(DeferredError, match="durable=True needs"):
        await alone.keep(EnqueueableNote([], "a"))


async def test_what_is_taken_is_counted(log):
    taking = shared(enqueue=lambda process, data: log.append((process, data)), keep=log.append)
    await taking.enqueue(EnqueueableNote([], "a"))
    await taking.keep("update")
    assert log == [("process", {"name": "a"}), "update"]
    assert taking.counts.enqueued == 2


def test_no_error_is_presentable_unless_somebody_says_so():
    assert not shared().is_presentable(ValueError())
    assert shared(presentable=lambda error: isinstance(error, ValueError)).is_presentable(ValueError())
