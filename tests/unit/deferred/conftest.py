"""Deferral speaks anyio only, so its core is tested on asyncio and on trio."""

from __future__ import annotations

import pytest

from procactors.deferred import DeferredUpdates
from tests.unit.deferred.samples import Ledger


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture
def log():
    """What happened, in order."""
    return []


@pytest.fixture
def updates():
    return DeferredUpdates()


@pytest.fixture
def ledger():
    with Ledger.opened() as opened:
        yield opened
