import sys

import anyio
import pytest
from anyio import to_thread, wait_all_tasks_blocked

from procactors.deferred import DeferredUpdates, Stage, defer, defer_into, deferred_scope
from procactors.errors import NoDeferredScopeError


def test_outside_of_a_scope_nothing_can_be_deferred():
    with pytest.raises(NoDeferredScopeError, match="No scope is open here"):
        defer(print)


async def test_arguments_and_coroutine_functions(log):
    async def work(*args):
        await anyio.lowlevel.checkpoint()
        log.append(args)

    async with deferred_scope(opportunistic=False):
        defer(work, 1, 2)
    assert log == [(1, 2)]


async def test_calls_with_one_key_become_one(log):
    async with deferred_scope(opportunistic=False) as updates:
        defer(log.append, "a", key="k")
        defer(log.append, "other")
        defer(log.append, "b", key="k")
        defer(lambda *numbers: log.append(sum(numbers)), 1, key="sum", merge=lambda old, new: old + new)
        defer(lambda *numbers: log.append(sum(numbers)), 2, key="sum", merge=lambda old, new: old + new)
        assert updates.pending_count() == 3
    assert log == ["other", "b", 3]


async def test_merge_needs_a_key():
    async with deferred_scope(opportunistic=False):
        with pytest.raises(ValueError, match="give key"):
            defer(print, merge=lambda old, _: old)


async def test_transactions_tie_and_cancel(ledger, log):
    async with deferred_scope(opportunistic=False):
        await ledger.begin()
        defer(log.append, "after", after_commit=ledger)
        defer(log.append, "not", cancel_on_rollback=[ledger])
        await ledger.rollback()
        await ledger.begin()
        defer(log.append, "after", after_commit=ledger)
        defer(log.append, "kept", cancel_on_rollback=[ledger])
        await ledger.commit()
    assert log == ["after", "kept"]


async def test_durable_goes_to_the_keeper(log):
    async with deferred_scope(opportunistic=False, keep=lambda update: log.append(update.args)):
        defer(print, "x", durable=True)
    assert log == [("x",)]


async def test_thread_defers_into_the_scope_of_the_task_that_started_it(log):
    async with deferred_scope(opportunistic=False) as updates:
        await to_thread.run_sync(lambda: defer(log.append, "thread"))
        assert updates.pending_count() == 1
    async with deferred_scope():
        await to_thread.run_sync(lambda: defer(log.append, "thread again"))
        await wait_all_tasks_blocked()
        assert log == ["thread", "thread again"]


async def test_thread_of_an_update_defers_into_its_level(log):
    async def in_thread():
        await to_thread.run_sync(lambda: defer(log.append, "child"))

    async with deferred_scope(opportunistic=False):
        defer(in_thread)
        defer(log.append, "sibling")
    assert log == ["child", "sibling"]


async def test_somebody_else_may_defer_on_behalf_of_a_line(log):
    updates = DeferredUpdates(on_failure=lambda _update, origin, _error: log.append(origin))
    defer_into(updates, sys._getframe(), lambda x: 1 / x, 0, stage=Stage.PRESEND)
    await updates.run(Stage.PRESEND)
    assert "test_somebody_else_may_defer" in log[0]
