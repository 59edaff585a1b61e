"""A pooler before PostgreSQL: one that keeps sessions apart will do, one that passes them on is refused."""

from __future__ import annotations

import pytest

from procactors import InvalidStoreError, Process, ProcessManager, step
from procactors.stores import _on_postgres


@step
async def nothing(data):
    return data


async def test_a_pooler_that_keeps_sessions_apart_is_used(postgres, monkeypatch):
    hides_numbers = "SELECT pg_backend_pid() + 1000000"
    monkeypatch.setitem(_on_postgres.sql._texts, "backend", hides_numbers)
    async with ProcessManager(postgres.url("kept_apart")) as manager:
        assert await (await manager.start(Process("p", [nothing]), {"n": 1})).result() == {"n": 1}


async def test_a_pooler_that_passes_sessions_on_is_refused_before_anything_is_made(postgres, monkeypatch):
    same_for_all = "SELECT 7"
    monkeypatch.setitem(_on_postgres.sql._texts, "backend", same_for_all)
    with pytest.raises(InvalidStoreError, match="pool_mode=session"):
        await ProcessManager(postgres.url("passed_on")).open()
    monkeypatch.undo()
    async with ProcessManager(postgres.url("somewhere")) as manager:
        schemas = await manager._room.store._reader.run(
            lambda connection: connection.fetch("SELECT nspname FROM pg_namespace")
        )
    assert "passed_on" not in {name for (name,) in schemas}
