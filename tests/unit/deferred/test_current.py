import pytest

from procactors.deferred import DeferredUpdates, current_updates
from procactors.errors import NoDeferredScopeError


def test_queue_is_current_within_its_block_and_blocks_nest():
    outer, inner = DeferredUpdates(), DeferredUpdates()
    with outer.as_current() as given:
        assert given is outer
        with inner.as_current():
            assert current_updates() is inner
        assert current_updates() is outer
    with pytest.raises(NoDeferredScopeError):
        current_updates()
