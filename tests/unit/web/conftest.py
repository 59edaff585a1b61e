"""The middleware speaks anyio only, so it is tested on asyncio and on trio."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture
def log():
    """What happened, in order."""
    return []
