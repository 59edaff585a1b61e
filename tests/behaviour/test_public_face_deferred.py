"""The face of deferral: every method of `DeferredUpdates`, what it returns, and every argument of `defer`."""

from __future__ import annotations

import contextvars

import pytest

from procactors import (
    IllegalRecursionError,
    InvalidDataError,
    InvalidDefinitionError,
    NoDeferredScopeError,
    PayloadTooLargeError,
    Process,
    RoundPendingError,
)
from procactors.deferred import (
    AtomicSectionUpdate,
    AutoCommitUpdate,
    CallableUpdate,
    DataUpdate,
    DeferredUpdates,
    EnqueueableUpdate,
    MergeableUpdate,
    Stage,
    TransactionRoundDefiningUpdate,
    defer,
    deferred_scope,
)
from tests.behaviour.steps import echo, grow

VARIABLE = contextvars.ContextVar("variable", default="unset")


class Plain:
    def __init__(self, log, name="plain"):
        self.log, self.name = log, name

    def run(self):
        self.log.append(self.name)


class Async(Plain):
    async def run(self):
        self.log.append(self.name)


class Data(DataUpdate):
    def __init__(self, log):
        self.log = log

    async def run(self):
        self.log.append("data")


class Merging(MergeableUpdate):
    def __init__(self, log, items):
        self.log, self.items = log, list(items)

    def merge(self, other):
        self.items += other.items

    async def run(self):
        self.log.append(tuple(self.items))


class Failing(EnqueueableUpdate):
    async def run(self):
        raise OSError("not now")

    def as_process(self):
        return Process("instead", {"a": grow}), {"n": 1}


class Transactions:
    """A connection whose transaction is ended by hand."""

    def __init__(self, *, is_open=False):
        self.is_open = is_open
        self.callbacks = []
        self.calls = []

    def in_transaction(self):
        return self.is_open

    async def begin(self):
        self.calls.append("begin")
        self.is_open = True

    async def commit(self):
        self.calls.append("commit")
        self.end(committed=True)

    async def rollback(self):
        self.calls.append("rollback")
        self.end(committed=False)

    def on_resolution(self, callback):
        self.callbacks.append(callback)

    def end(self, *, committed):
        self.is_open = False
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(committed)


def raises():
    raise ValueError("no good")


@pytest.fixture
def updates():
    return DeferredUpdates()


@pytest.fixture
def log():
    return []


async def test_stages_run_by_name_and_together(updates, log):
    updates.add(Plain(log, "post"))
    updates.add(Async(log, "pre"), stage=Stage.PRESEND)
    updates.add_callable(lambda: log.append("callable"), stage=Stage.PRESEND)
    assert updates.pending_count() == 3
    assert len(updates.pending(Stage.PRESEND)) == 2
    assert len(updates.pending(Stage.POSTSEND)) == 1
    assert len(updates.pending(Stage.ALL)) == 3
    report = await updates.run(Stage.PRESEND)
    assert log == ["pre", "callable"]
    assert (report.ran, report.failed, report.enqueued) == (2, 0, 0)
    assert updates.pending_count() == 1
    report = await updates.run(Stage.POSTSEND)
    assert log == ["pre", "callable", "post"]
    assert report.ran == 1
    assert (await updates.run(Stage.ALL)).ran == 0


async def test_presend_goes_before_postsend(updates, log):
    updates.add(Plain(log, "post"))
    updates.add(Plain(log, "pre"), stage=Stage.PRESEND)
    await updates.run(Stage.ALL)
    assert log == ["pre", "post"]


async def test_what_is_added_while_one_runs_runs_too(updates, log):
    def outer():
        log.append("outer")
        updates.add_callable(lambda: log.append("inner"), stage=Stage.PRESEND)
        assert updates.depth >= 1

    updates.add_callable(outer, stage=Stage.PRESEND)
    updates.add_callable(lambda: log.append("next"), stage=Stage.PRESEND)
    assert updates.depth == 0
    await updates.run(Stage.ALL)
    assert log == ["outer", "inner", "next"]
    assert updates.depth == 0


async def test_data_first_mergeables_merged_and_counted(updates, log):
    updates.add(Merging(log, [1]))
    updates.add(Plain(log))
    updates.add(Data(log))
    updates.add(Merging(log, [2]))
    report = await updates.run(Stage.ALL)
    assert log == ["data", "plain", (1, 2)]
    assert (report.ran, report.merged) == (3, 1)


async def test_a_failure_is_isolated_counted_logged_and_reported(updates, log, caplog):
    updates.add_callable(raises)
    updates.add(Plain(log))
    report = await updates.run(Stage.ALL)
    assert log == ["plain"]
    assert (report.ran, report.failed) == (1, 1)
    (record,) = [r for r in caplog.records if r.name == "procactors.deferred"]
    assert record.levelname == "WARNING"
    assert "test_public_face_deferred" in record.getMessage()


async def test_an_enqueueable_that_fails_is_enqueued(log):
    async def enqueue(process, data):
        log.append((process.name, data))

    updates = DeferredUpdates(enqueue=enqueue)
    updates.add(Failing())
    report = await updates.run(Stage.ALL)
    assert log == [("instead", {"n": 1})]
    assert (report.failed, report.enqueued) == (1, 1)


async def test_by_default_the_manager_starts_it(m):
    updates = DeferredUpdates(manager=m)
    updates.add(Failing())
    assert (await updates.run(Stage.ALL)).enqueued == 1
    (info,) = await m.list(name="instead")
    assert await m.result(info.pid) == {"n": 1, "trail": ["a"]}


async def test_clear_drops_all(updates, log):
    updates.add(Plain(log))
    updates.add(Plain(log), stage=Stage.PRESEND)
    updates.clear()
    assert updates.pending_count() == 0
    assert (await updates.run(Stage.ALL)).ran == 0
    assert log == []


async def test_attempt_runs_at_once_and_raises(updates, log):
    await updates.attempt(Plain(log))
    assert log == ["plain"]
    with pytest.raises(ValueError, match="no good"):
        await updates.attempt(CallableUpdate(raises))
    assert updates.pending_count() == 0


async def test_callable_update_keeps_its_origin(updates, caplog):
    updates.add(CallableUpdate(raises, origin="from the import of Bar"))
    await updates.run(Stage.ALL)
    assert "from the import of Bar" in caplog.text


@pytest.mark.parametrize("wrong", [None, "text", object(), lambda: None])
async def test_what_is_no_update_is_refused(updates, wrong):
    with pytest.raises(TypeError):
        updates.add(wrong)
    assert updates.pending_count() == 0


@pytest.mark.parametrize("wrong", [None, "text", 7])
async def test_what_is_not_callable_is_refused(updates, wrong):
    with pytest.raises(TypeError):
        updates.add_callable(wrong)
    assert updates.pending_count() == 0


async def test_cancel_on_rollback_cancels_and_is_counted(updates, log):
    db = Transactions(is_open=True)
    updates.add_callable(lambda: log.append("dropped"), cancel_on_rollback=[db])
    updates.add_callable(lambda: log.append("kept"))
    db.end(committed=False)
    report = await updates.run(Stage.ALL)
    assert log == ["kept"]
    assert (report.ran, report.cancelled) == (1, 1)


async def test_cancel_on_rollback_never_waits_and_a_commit_keeps(updates, log):
    db = Transactions(is_open=True)
    updates.add_callable(lambda: log.append("at once"), cancel_on_rollback=[db])
    await updates.run(Stage.ALL)
    assert log == ["at once"]
    other = Transactions(is_open=True)
    updates.add_callable(lambda: log.append("later"), cancel_on_rollback=[other])
    other.end(committed=True)
    await updates.run(Stage.ALL)
    assert log == ["at once", "later"]


async def test_auto_commit_and_atomic_section_get_their_db(updates, log):
    db = Transactions()
    updates.add(AutoCommitUpdate(db, lambda given: log.append(("auto", given is db, given.in_transaction()))))
    updates.add(
        AtomicSectionUpdate(db, lambda given: log.append(("atomic", given is db, given.in_transaction())))
    )
    updates.add(TransactionRoundDefiningUpdate(lambda: log.append("round")))
    report = await updates.run(Stage.ALL)
    assert report.failed == 0
    assert ("auto", True, False) in log
    assert ("atomic", True, True) in log
    assert "round" in log
    assert not db.is_open


async def test_an_atomic_section_that_fails_is_rolled_back(updates):
    db = Transactions()

    def bad(given):
        raise ValueError("no good")

    updates.add(AtomicSectionUpdate(db, bad))
    assert (await updates.run(Stage.ALL)).failed == 1
    assert db.calls[-1] == "rollback"
    assert not db.is_open


async def test_an_opportunity_is_taken_or_prevented(log):
    updates = DeferredUpdates(opportunistic=True)
    with updates.prevent_opportunistic():
        updates.add(Plain(log))
        assert await updates.try_opportunistic_run() is False
        assert log == []
    assert await updates.try_opportunistic_run() is True
    assert log == ["plain"]
    assert await updates.try_opportunistic_run() is True


async def test_an_open_transaction_prevents_an_opportunity(log):
    db = Transactions(is_open=True)
    updates = DeferredUpdates(transactions=db, opportunistic=True)
    updates.add(Plain(log))
    assert await updates.try_opportunistic_run() is False
    db.end(committed=True)
    assert await updates.try_opportunistic_run() is True
    assert log == ["plain"]


async def test_a_big_queue_that_can_not_run_becomes_processes(log):
    async def enqueue(process, data):
        log.append(process.name)

    db = Transactions(is_open=True)
    updates = DeferredUpdates(transactions=db, enqueue=enqueue, opportunistic=True, big_queue_size=3)
    for _ in range(3):
        updates.add(Failing())
    assert await updates.try_opportunistic_run() is False
    assert log == ["instead"] * 3
    assert updates.pending_count() == 0


async def test_a_scope_runs_the_rest_at_its_end(log):
    async with deferred_scope() as updates:
        defer(log.append, "post")
        defer(log.append, "pre", stage=Stage.PRESEND)
        assert isinstance(updates, DeferredUpdates)
    assert sorted(log) == ["post", "pre"]


async def test_a_scope_without_opportunism_runs_in_order_at_its_end(log):
    async with deferred_scope(opportunistic=False):
        defer(log.append, "post")
        defer(log.append, "pre", stage=Stage.PRESEND)
        assert log == []
    assert log == ["pre", "post"]


async def test_defer_without_a_scope_says_so():
    with pytest.raises(NoDeferredScopeError) as caught:
        defer(print)
    assert "deferred_scope" in str(caught.value)


async def test_defer_passes_positional_arguments_and_runs_coroutines(log):
    async def later(*args):
        log.append(args)

    async with deferred_scope():
        defer(later, 1, "two", [3])
        defer(later)
    assert log == [(1, "two", [3]), ()]


async def test_a_key_keeps_the_newest_or_merges(log):
    async with deferred_scope(opportunistic=False) as updates:
        defer(log.append, "old", key="k")
        defer(log.append, "new", key="k")
        defer(log.append, "other", key="l")
        defer(log.append, (1,), key="m", merge=lambda old, new: (old[0] + new[0],))
        defer(log.append, (2,), key="m", merge=lambda old, new: (old[0] + new[0],))
        report = await updates.run(Stage.ALL)
    assert sorted(log, key=str) == sorted(["new", "other", (1, 2)], key=str)
    assert (report.ran, report.merged) == (3, 2)


async def test_a_merge_that_fails_is_reported_where_it_is(log):
    def bad(old, new):
        raise ValueError("no good")

    async with deferred_scope(opportunistic=False):
        defer(log.append, "old", key="k", merge=bad)
        try:
            defer(log.append, "new", key="k", merge=bad)
        except ValueError:
            log.append("raised")
    assert len(log) >= 1


async def test_after_commit_waits_for_the_commit_and_is_dropped_by_a_rollback(log):
    db, bad = Transactions(is_open=True), Transactions(is_open=True)
    async with deferred_scope(opportunistic=False) as updates:
        defer(log.append, "at once", after_commit=Transactions())
        defer(log.append, "committed", after_commit=db)
        defer(log.append, "rolled back", after_commit=bad)
        await updates.run(Stage.PRESEND)
        db.end(committed=True)
        bad.end(committed=False)
    assert sorted(log) == ["at once", "committed"]


async def test_each_update_sees_the_context_in_which_it_was_added(log):
    async with deferred_scope(opportunistic=False):
        VARIABLE.set("first")
        defer(lambda: log.append(VARIABLE.get()))
        VARIABLE.set("second")
        defer(lambda: log.append(VARIABLE.get()))
        VARIABLE.set("third")
    assert log == ["first", "second"]


async def test_an_exception_in_the_block_comes_out_plain_and_drops_all_but_always(log):
    async def fails():
        async with deferred_scope(opportunistic=False):
            defer(log.append, "dropped")
            defer(log.append, "always", always=True)
            raise KeyError("x")

    with pytest.raises(KeyError):
        await fails()
    assert log == ["always"]


async def test_scopes_nest_and_each_runs_its_own(log):
    async with deferred_scope(opportunistic=False):
        defer(log.append, "outer")
        async with deferred_scope(opportunistic=False):
            defer(log.append, "inner")
        assert log == ["inner"]
    assert log == ["inner", "outer"]


async def test_an_update_that_defers_reaches_its_own_scope(log):
    def outer():
        defer(log.append, "deferred by an update")

    async with deferred_scope(opportunistic=False):
        defer(outer)
    assert log == ["deferred by an update"]


async def test_durable_is_a_process_of_a_registered_reference_with_json(m):
    async with deferred_scope(manager=m) as updates:
        defer(durable_work, "text", durable=True)
        await updates.persisted()
        (info,) = await m.list()
    await m.result(info.pid)
    assert DONE == ["text"]
    DONE.clear()


@pytest.mark.parametrize(
    ("function", "args", "error"),
    [
        (lambda: None, (), InvalidDefinitionError),
        ("durable_work", (object(),), InvalidDataError),
        ("durable_work", ("x" * 2_000_000,), PayloadTooLargeError),
    ],
)
async def test_what_can_not_be_durable_is_refused_where_it_is_deferred(m, function, args, error):
    async with deferred_scope(manager=m, opportunistic=False) as updates:
        with pytest.raises(error, match="durable"):
            defer(durable_work if function == "durable_work" else function, *args, durable=True)
        assert updates.pending_count() == 0
    assert await m.list() == []


async def test_what_would_spoil_a_durable_call_of_its_key_is_refused_and_the_call_is_made(m):
    async with deferred_scope(manager=m, opportunistic=False):
        defer(durable_work, "text", key="one", durable=True)
        with pytest.raises(InvalidDefinitionError, match="lambda"):
            defer(lambda _: None, "text", key="one")
    (info,) = await m.list()
    await m.result(info.pid)
    assert DONE == ["text"]
    DONE.clear()


DONE = []


def durable_work(text):
    DONE.append(text)


async def test_durable_without_a_manager_says_so():
    async with deferred_scope():
        with pytest.raises(Exception, match="manager"):
            defer(durable_work, "x", durable=True)


async def test_an_update_that_defines_its_rounds_may_run_others(updates, log):
    async def outer():
        updates.add_callable(lambda: log.append("nested"), stage=Stage.PRESEND)
        await updates.run(Stage.PRESEND)
        log.append("after nested")

    updates.add(TransactionRoundDefiningUpdate(outer), stage=Stage.PRESEND)
    report = await updates.run(Stage.ALL)
    assert log == ["nested", "after nested"]
    assert report.failed == 0


async def test_any_other_update_may_not(updates, log):
    async def outer():
        with pytest.raises(IllegalRecursionError):
            await updates.run(Stage.ALL)
        with pytest.raises(RoundPendingError):
            await updates.attempt(Plain(log))
        log.append("refused")

    updates.add_callable(outer)
    assert (await updates.run(Stage.ALL)).failed == 0
    assert log == ["refused"]


async def test_a_stage_that_is_none_is_refused(updates, log):
    for wrong in ["presend", None, 7, -1]:
        with pytest.raises((TypeError, ValueError)):
            updates.add(Plain(log), stage=wrong)
    with pytest.raises((TypeError, ValueError)):
        updates.add(Plain(log), stage=Stage.ALL)


async def test_arguments_go_by_position_in_the_order_of_the_contract(m, log):
    async def enqueue(process, data):
        log.append((process, data))

    updates = DeferredUpdates(None, m, enqueue, True, 5)
    assert (updates.opportunistic, updates.big_queue_size) == (True, 5)
    updates.add_callable(lambda: log.append("called"), Stage.PRESEND, [])
    async with deferred_scope(m, False):
        await updates.run()
    assert log == ["called"]


async def test_a_cancel_may_give_its_reason_by_position(m):
    handle = await m.start(Process("p", [echo]), delay=100)
    assert await handle.cancel("not now")
    assert (await handle.info()).reason == "not now"
