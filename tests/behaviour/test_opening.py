"""Where a manager can be opened."""

from __future__ import annotations

import pytest
import trio

from procactors import ProcessManager


def test_trio_is_refused_by_name():
    async def main():
        async with ProcessManager("memory://"):
            pass

    with pytest.raises(RuntimeError, match="needs asyncio"):
        trio.run(main)
