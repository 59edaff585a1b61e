import anyio
import pytest
from anyio import to_thread, wait_all_tasks_blocked

from procactors.deferred import Stage, current_updates, defer, deferred_scope
from procactors.errors import NoDeferredScopeError
from tests.unit.deferred.samples import EnqueueableNote, failing


async def test_what_is_left_runs_at_the_end_presend_first(log):
    async with deferred_scope(opportunistic=False) as updates:
        defer(log.append, "post")
        defer(log.append, "pre", stage=Stage.PRESEND)
        assert (current_updates() is updates, updates.pending_count(), log) == (True, 2, [])
    assert log == ["pre", "post"]


async def test_scope_that_has_ended_refuses_and_the_one_around_is_current_again(log):
    async with deferred_scope(opportunistic=False) as outer:
        async with deferred_scope(opportunistic=False) as inner:
            defer(log.append, "inner")
        assert log == ["inner"]
        assert current_updates() is outer
        with inner.as_current(), pytest.raises(NoDeferredScopeError, match="has ended"):
            defer(log.append, "late")
    with pytest.raises(NoDeferredScopeError):
        current_updates()


async def test_opportunistic_scope_runs_beside_the_block(log):
    async with deferred_scope():
        done = anyio.Event()
        defer(log.append, "a")
        defer(done.set)
        assert log == []
        await done.wait()
        assert log == ["a"]
        defer(log.append, "b")
    assert log == ["a", "b"]


async def test_opportunistic_scope_waits_for_the_commit(ledger, log):
    async with deferred_scope(transactions=ledger):
        await ledger.begin()
        defer(log.append, "a")
        await wait_all_tasks_blocked()
        assert log == []
        await ledger.commit()
        await wait_all_tasks_blocked()
        assert log == ["a"]


async def test_error_of_an_opportunistic_run_is_logged_and_the_scope_goes_on(log, ledger, caplog):
    async with deferred_scope(transactions=ledger, enqueue=failing(OSError("full"))) as updates:
        updates.big_queue_size = 0
        await ledger.begin()
        updates.add(EnqueueableNote(log, "e"))
        await wait_all_tasks_blocked()
        assert "an opportunistic run of deferred updates ended by an error" in caplog.text
        await ledger.commit()
    assert log == ["e"]


async def test_block_that_raises_drops_all_but_what_is_always_made(log, caplog):
    async def block():
        async with deferred_scope(opportunistic=False):
            defer(log.append, "dropped")
            defer(log.append, "always", always=True)
            raise ValueError("block")

    with pytest.raises(ValueError, match="block"):
        await block()
    assert log == ["always"]
    assert "is dropped: its scope was left by ValueError" in caplog.text


@pytest.mark.parametrize("opportunistic", [True, False])
async def test_block_that_is_cancelled_runs_nothing_and_loses_nothing_silently(log, caplog, opportunistic):
    with anyio.move_on_after(0.01):
        async with deferred_scope(opportunistic=opportunistic) as updates:
            with updates.prevent_opportunistic():
                defer(log.append, "a")
                defer(log.append, "b", always=True)
                await anyio.sleep_forever()
    assert log == []
    assert caplog.text.count("is dropped") == 2


async def test_update_that_is_cut_off_is_logged(log, caplog):
    with anyio.move_on_after(0.01):
        async with deferred_scope():
            defer(anyio.sleep_forever)
            await anyio.sleep_forever()
    assert "sleep_forever (deferred by" in caplog.text


async def test_many_threads_lose_nothing(log):
    async with deferred_scope(opportunistic=False) as updates:

        def work():
            for _ in range(200):
                defer(log.append, "x")

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(to_thread.run_sync, work)
            while updates.pending_count() < 400:
                await anyio.lowlevel.checkpoint()
            await updates.run()
    assert len(log) == 800


async def test_concurrent_scopes_are_apart(log):
    async def request(name):
        async with deferred_scope(opportunistic=False):
            defer(log.append, name)
            await wait_all_tasks_blocked()
            defer(log.append, name)

    async with anyio.create_task_group() as group:
        for name in "ab":
            group.start_soon(request, name)
    assert log in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
