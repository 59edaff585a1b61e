"""Durable updates survive `kill -9` from the moment that the design promises."""

from __future__ import annotations

import pytest

from procactors import ProcessManager
from tests.crash.victim import running

PROGRAM = "tests.crash.deferring"


@pytest.mark.parametrize("kind", ["step", "response"])
async def test_what_was_deferred_durably_is_done_after_a_kill(tmp_path, kind):
    database = tmp_path / "store.db"
    async with running(PROGRAM, kind, database, "kill") as first:
        assert await first.ended() != 0
    assert first.noted("killed")
    assert not first.noted("end")
    done_before = [int(entry[2]) for entry in first.noted("done")]
    async with running(PROGRAM, kind, database) as second:
        assert await second.ended() == 0, second.log
    done_after = [int(entry[2]) for entry in second.noted("done")]
    assert set(done_before) | set(done_after) == {0, 1, 2}
    assert not second.noted("lost")
    async with ProcessManager(f"sqlite:///{database}", run=False) as client:
        assert {info.status.value for info in await client.list()} == {"finished"}
        assert len(await client.list(name="deferred update")) == 3
    if kind == "step":
        assert len(second.noted("next", "step")) == 1
