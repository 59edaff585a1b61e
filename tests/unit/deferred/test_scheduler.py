import gc
import weakref

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from procactors.actors import ActorSystem, ChildOptions, Restart
from procactors.deferred import (
    CallableUpdate,
    DeferredScheduler,
    DeferredUpdates,
    MergeableUpdate,
    Report,
    Stage,
    current_updates,
    defer,
)
from procactors.deferred._scheduler_actor import SchedulerActor
from procactors.errors import ActorStoppedError, NoDeferredScopeError
from tests.unit.deferred.samples import EnqueueableNote, MergeableNote, Note, adding, failing


def queue_of(*functions, stage=Stage.POSTSEND, **options):
    updates = DeferredUpdates(**options)
    for function in functions:
        updates.add(CallableUpdate(function), stage)
    return updates


async def test_submitted_scope_runs_in_the_schedulers_task(log):
    async with DeferredScheduler() as scheduler:
        updates = queue_of(lambda: log.append("a"))
        scheduler.submit(updates)
        assert log == []
        await scheduler.drain()
        assert log == ["a"]
        assert scheduler.statistics().scopes == 0
    assert scheduler.statistics().report == Report(ran=1)


async def test_run_waits_and_reports():
    async with DeferredScheduler() as scheduler:
        assert await scheduler.run(queue_of(lambda: None, stage=Stage.PRESEND)) == Report(ran=1)
        assert await scheduler.run(queue_of(lambda: None), Stage.POSTSEND) == Report(ran=1)


async def test_error_of_a_run_reaches_who_waits_and_else_the_log(caplog):
    def presentable(_):
        return True

    async with DeferredScheduler() as scheduler:
        failed = queue_of(failing(ValueError("x")), stage=Stage.PRESEND, presentable=presentable)
        with pytest.raises(ValueError, match="x"):
            await scheduler.run(failed)
        assert scheduler.statistics().report == Report(failed=1)


async def test_presend_of_any_scope_comes_before_postsend_of_any_other(log):
    blocker = anyio.Event()
    async with DeferredScheduler(max_running=1) as scheduler, anyio.create_task_group() as group:
        scheduler.submit(queue_of(blocker.wait))
        await wait_all_tasks_blocked()
        for name in ("post1", "post2"):
            scheduler.submit(queue_of(lambda name=name: log.append(name)))
        for name in ("pre1", "pre2"):
            group.start_soon(scheduler.run, queue_of(lambda name=name: log.append(name), stage=Stage.PRESEND))
            await wait_all_tasks_blocked()
        assert scheduler.statistics().waiting == 4
        assert repr(scheduler) == "<DeferredScheduler running=1 waiting=4 scopes=5>"
        blocker.set()
    assert log == ["pre1", "pre2", "post1", "post2"]


async def test_scopes_run_side_by_side_up_to_the_limit():
    running = peak = 0

    async def work():
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await checkpoint()
        await checkpoint()
        running -= 1

    async with DeferredScheduler(max_running=3) as scheduler:
        for _ in range(10):
            scheduler.submit(queue_of(work, work))
    assert peak == 3
    assert scheduler.statistics().report.ran == 20


async def test_one_scope_is_never_run_twice_at_a_time(log):
    async def work():
        log.append("begin")
        await checkpoint()
        log.append("end")

    async with DeferredScheduler() as scheduler:
        updates = queue_of(work, work)
        for _ in range(3):
            scheduler.submit(updates)
            await checkpoint()
        await scheduler.run(updates, Stage.POSTSEND)
    assert log == ["begin", "end"] * 2


async def test_what_is_added_to_a_submitted_scope_runs_too(log):
    async with DeferredScheduler() as scheduler:
        updates = queue_of(lambda: log.append("a"))
        scheduler.submit(updates)
        await scheduler.drain()
        with updates.as_current():
            defer(log.append, "late")
        await scheduler.drain()
    assert log == ["a", "late"]


async def test_parked_update_runs_after_its_commit(ledger, log):
    async with DeferredScheduler() as scheduler:
        updates = DeferredUpdates()
        await ledger.begin()
        updates.add(Note(log, "a"), after_commit=ledger)
        scheduler.submit(updates)
        await wait_all_tasks_blocked()
        assert (log, scheduler.statistics().scopes) == ([], 1)
        await ledger.commit()
        await scheduler.drain()
        assert (log, scheduler.statistics().scopes) == (["a"], 0)


async def test_opportunistic_queue_is_run_when_that_is_allowed(ledger, log):
    async with DeferredScheduler() as scheduler:
        updates = DeferredUpdates(ledger, opportunistic=True)
        await ledger.begin()
        updates.add(Note(log, "a"))
        scheduler.submit(updates)
        await wait_all_tasks_blocked()
        assert log == []
        await ledger.commit()
        await scheduler.drain()
        assert log == ["a"]


async def test_lives_in_somebodys_actor_system(log):
    async with ActorSystem() as system:
        async with DeferredScheduler(system=system, name="updates") as scheduler:
            assert system.find("updates") is not None
            scheduler.submit(queue_of(lambda: log.append("a")))
        assert system.find("updates") is None
    assert log == ["a"]


async def test_two_runs_of_one_scope_that_wait_do_not_run_side_by_side(log):
    async def work(name):
        log.append(name)
        await checkpoint()
        log.append(name)

    blocker = anyio.Event()
    async with DeferredScheduler(max_running=2) as scheduler, anyio.create_task_group() as group:
        for _ in range(2):
            scheduler.submit(queue_of(blocker.wait))
        await wait_all_tasks_blocked()
        updates = DeferredUpdates()
        updates.add(CallableUpdate(work, "post"))
        updates.add(CallableUpdate(work, "pre"), Stage.PRESEND)
        scheduler.submit(updates)
        group.start_soon(scheduler.run, updates)
        await wait_all_tasks_blocked()
        blocker.set()
    assert log == ["pre", "pre", "post", "post"]


async def test_error_that_ends_a_submitted_run_is_logged_and_the_rest_runs(log, caplog):
    class Stubborn(MergeableNote):
        def merge(self, other):
            raise ValueError(other.name)

    async with DeferredScheduler() as scheduler:
        updates = DeferredUpdates()
        for name in "ab":
            updates.add(Note(log, name, adding(Stubborn(log, f"m{name}"))))
        scheduler.submit(updates)
    assert "the run of a scope's deferred updates ended by an error" in caplog.text
    assert log == ["a", "b", "ma"]


class TestTheEnd:
    async def test_drain_has_a_deadline_and_what_is_cut_off_is_logged(self, log, caplog):
        async with DeferredScheduler(drain_s=0.01) as scheduler:
            scheduler.submit(queue_of(anyio.sleep_forever, lambda: log.append("never")))
            scheduler.submit(queue_of(lambda: log.append("done")))
        assert log == ["done"]
        assert caplog.text.count("is dropped: its scope ended before it had run") == 2
        assert scheduler.statistics().lost == 2

    async def test_what_can_becomes_a_process_and_the_rest_is_offered_to_rescue(self, log, caplog):
        async def rescue(update):
            await checkpoint()
            log.append(f"rescued {update.name}")
            return True

        async with DeferredScheduler(drain_s=0, rescue=rescue) as scheduler:
            updates = DeferredUpdates(enqueue=lambda _, data: log.append(f"process {data['name']}"))
            updates.add_callable(anyio.sleep_forever)
            updates.clear()
            updates.add(Note(log, "waits", anyio.sleep_forever))
            updates.add(EnqueueableNote(log, "e"))
            updates.add(Note(log, "a"))
            scheduler.submit(updates)
            await wait_all_tasks_blocked()
        assert log == ["waits", "rescued waits", "process e", "rescued a"]
        assert scheduler.statistics().lost == 0

    async def test_rescue_that_hangs_loses_nothing_silently(self, log, caplog, monkeypatch):
        monkeypatch.setattr("procactors.deferred._scheduler._GRACE_S", 0.05)
        async with DeferredScheduler(drain_s=0, rescue=lambda _: anyio.sleep_forever()) as scheduler:
            for name in "ab":
                updates = DeferredUpdates()
                updates.add(Note(log, name, anyio.sleep_forever))
                scheduler.submit(updates)
            await wait_all_tasks_blocked()
        assert caplog.text.count("is dropped") == 2

    async def test_system_that_ends_first_loses_nothing_silently(self, log, caplog):
        async with ActorSystem() as system:
            scheduler = DeferredScheduler(system=system)
            await scheduler.__aenter__()
            scheduler.submit(queue_of(anyio.sleep_forever))
            await wait_all_tasks_blocked()
        assert "sleep_forever" in caplog.text
        await scheduler.close()

    async def test_who_waits_for_a_run_is_told(self, caplog):
        async def ask(scheduler, updates):
            with pytest.raises(ActorStoppedError):
                await scheduler.run(updates, Stage.POSTSEND)

        scheduler = DeferredScheduler(max_running=1, drain_s=0)
        async with anyio.create_task_group() as group, scheduler:
            for function in (anyio.sleep_forever, lambda: None):
                group.start_soon(ask, scheduler, queue_of(function))
                await wait_all_tasks_blocked()

    async def test_afterwards_nothing_is_taken(self, log):
        scheduler = DeferredScheduler()
        with pytest.raises(NoDeferredScopeError, match="not open"):
            scheduler.submit(DeferredUpdates())
        async with scheduler:
            updates = DeferredUpdates()
            scheduler.submit(updates)
        with pytest.raises(NoDeferredScopeError, match="has stopped"):
            updates.add(Note(log, "a"))

    async def test_error_in_the_block_comes_out_as_it_is(self):
        with pytest.raises(ValueError, match="block"):
            async with DeferredScheduler():
                raise ValueError("block")


def test_a_scheduler_has_the_name_of_its_actor():
    assert DeferredScheduler(name="responses").name == "responses"


def test_limit_is_at_least_one():
    with pytest.raises(ValueError, match="1 or more"):
        DeferredScheduler(max_running=0)


async def test_actor_that_fails_is_followed_by_one_that_takes_up_the_scopes(log, monkeypatch, caplog):
    ended, errors = SchedulerActor._ended, [ValueError("once")]

    def fail_once(actor, updates):
        if errors:
            raise errors.pop()
        ended(actor, updates)

    monkeypatch.setattr(SchedulerActor, "_ended", fail_once)
    async with DeferredScheduler() as scheduler:
        go_on = anyio.Event()
        scheduler.submit(queue_of(lambda: log.append("a")))
        scheduler.submit(queue_of(go_on.wait, lambda: log.append("b")))
        await wait_all_tasks_blocked()
        go_on.set()
    assert log == ["a", "b"]


async def test_scope_is_gone_when_nobody_uses_it_any_more():
    gc.disable()
    try:
        async with DeferredScheduler() as scheduler:
            updates = queue_of(lambda: None)
            gone = weakref.ref(updates)
            scheduler.submit(updates)
            del updates
            await scheduler.drain()
            await wait_all_tasks_blocked()
            assert gone() is None
    finally:
        gc.enable()


async def test_actor_that_gives_up_loses_nothing_silently(monkeypatch, caplog):
    options = ChildOptions(restart=Restart.TEMPORARY)
    monkeypatch.setattr("procactors.deferred._scheduler.ChildOptions", lambda **_: options)
    monkeypatch.setattr(SchedulerActor, "_ended", failing(ValueError("x")))
    async with DeferredScheduler() as scheduler:
        scheduler.submit(queue_of(anyio.sleep_forever))
        scheduler.submit(queue_of(lambda: None))
        await scheduler._actor.stopped()
    assert "sleep_forever (deferred by" in caplog.text


async def test_scheduler_whose_actor_cannot_start_leaves_nothing_running(monkeypatch):
    monkeypatch.setattr(SchedulerActor, "on_start", failing(ValueError("x")))
    with pytest.raises(ValueError, match="x"):
        await DeferredScheduler().__aenter__()


async def test_two_schedulers_in_one_system_need_two_names():
    async with ActorSystem() as system, DeferredScheduler(system=system):
        with pytest.raises(ValueError, match="deferred"):
            await DeferredScheduler(system=system).__aenter__()
        async with DeferredScheduler(system=system, name="other"):
            pass


async def test_scopes_that_wait_when_the_scheduler_is_cut_off_are_handed_over_too(log):
    rescue = lambda _: log.append("rescued") or True  # noqa: E731 - it is used once
    async with DeferredScheduler(max_running=1, drain_s=0, rescue=rescue) as scheduler:
        for _ in range(3):
            updates = DeferredUpdates()
            updates.add_callable(anyio.sleep_forever)
            scheduler.submit(updates)
        await anyio.wait_all_tasks_blocked()
    assert log == ["rescued"] * 3


async def test_opportunistic_run_that_ends_by_an_error_is_logged_and_not_repeated(caplog):
    class Unmergeable(MergeableUpdate):
        def run(self):
            pass

        def merge(self, other):
            raise ValueError("can't be merged")

    def parent():
        current_updates().add(Unmergeable())

    updates = DeferredUpdates(opportunistic=True)
    for _ in range(2):
        updates.add_callable(parent)
    async with DeferredScheduler(drain_s=0) as scheduler:
        scheduler.submit(updates)
        await anyio.wait_all_tasks_blocked()
    assert caplog.text.count("ended by an error") == 1


async def test_what_waits_and_what_failed_is_known_by_where_it_was_deferred():
    blocker = anyio.Event()

    class Named(Note):
        origin = "the shop"

    async with DeferredScheduler(max_running=1) as scheduler:
        assert scheduler.is_open
        scheduler.submit(queue_of(blocker.wait))
        await wait_all_tasks_blocked()
        waiting = queue_of(failing(ValueError("x")), failing(ValueError("y")))
        waiting.add(Named([], "a"))
        scheduler.submit(waiting)
        found = scheduler.pending()
        assert (found["the shop"], sum(found.values())) == (1, 3)
        assert any(f"{__file__}:" in origin and origin.endswith("in queue_of") for origin in found)
        blocker.set()
        await scheduler.drain()
        assert scheduler.pending() == {}
        ((origin, count),) = scheduler.statistics().failures.items()
        assert (origin.endswith("in queue_of"), count) == (True, 2)
    assert not scheduler.is_open
