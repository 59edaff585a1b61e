"""A scope that has no queue until something is deferred into it."""

import anyio
import pytest
from anyio.to_thread import run_sync

from procactors.deferred import DeferredUpdates, LazyScope, current_updates, defer, deferred_scope
from procactors.errors import NoDeferredScopeError


class Scope(LazyScope):
    made = 0
    is_patient = False

    def make(self):
        self.made += 1
        return DeferredUpdates()

    def late(self, updates):
        if not self.is_patient:
            raise NoDeferredScopeError


def test_scope_that_is_not_used_has_no_queue():
    with Scope() as scope:
        pass
    assert scope.end() is None


async def test_first_deferral_makes_the_queue_that_all_others_use(log):
    with Scope() as scope:
        defer(log.append, 1)
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(run_sync, defer, log.append, number)
    assert scope.made == 1
    assert scope.end().pending_count() == 6
    await scope.updates.run()
    assert sorted(log) == [0, 1, 1, 2, 3, 4]


async def test_queue_can_be_run_from_within_its_own_scope(log):
    with Scope():
        defer(lambda: defer(log.append, "child"))
        defer(log.append, "sibling")
        await current_updates().run()
    assert log == ["child", "sibling"]


def test_late_deferral_is_up_to_the_scope():
    with Scope() as scope:
        scope.end()
        for _ in range(2):
            with pytest.raises(NoDeferredScopeError):
                defer(print)
        assert scope.updates is None
        scope.is_patient = True
        defer(print)
        assert scope.updates.pending_count() == 1


async def test_current_scope_is_found_by_its_class(log):
    class Other(Scope):
        pass

    assert Scope.current() is None
    with Scope() as scope:
        assert Scope.current() is scope
        assert Other.current() is None
        async with deferred_scope():
            assert Scope.current() is None


def test_scopes_themselves_say_how_their_queue_is_made():
    with pytest.raises(NotImplementedError):
        LazyScope().open()
    with pytest.raises(NotImplementedError):
        LazyScope().late(DeferredUpdates())
