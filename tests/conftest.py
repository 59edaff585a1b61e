"""What every test gets: a loop that aiosqlite can use, unless the test asks for more loops."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"
