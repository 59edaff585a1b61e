"""A process whose next step no running program knows: blocked, and repaired from other programs."""

from __future__ import annotations

import sys

import anyio
import pytest

from procactors import Process, ProcessManager
from tests.crash.victim import running
from tests.fleet.worker_app import quick
from tests.fleet.yard import saying

YARD, PATIENCE_S = "tests.fleet.yard", 60
PROCESS = Process("new", {"before": saying("before"), "quick": quick})


@pytest.fixture
def url(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/blocked.db"
    monkeypatch.setenv("WORKER_URL", url)
    return url


async def blocked(client):
    """Start a process that is blocked at a step which the yard does not know."""
    handle = await client.start(PROCESS, {"n": 1})
    async with handle.subscribe() as events:
        with anyio.fail_after(PATIENCE_S):
            async for event in events:
                if type(event).__name__ == "ProcessBlocked":
                    return handle
    raise AssertionError("it came to its end")


async def test_a_blocked_process_goes_on_when_a_program_is_deployed_that_knows_its_step(url, tmp_path):
    async with (
        ProcessManager(url, run=False) as client,
        running(YARD, url, "yard", tmp_path, "blocked_s=0.2") as yard,
    ):
        handle = await blocked(client)
        assert "quick" in (await handle.info()).reason
        target = "tests.fleet.worker_app:manager"
        async with running("procactors", "worker", target, "--max-processes", 1) as worker:
            with anyio.fail_after(PATIENCE_S):
                assert await handle.result() == {"n": 1}
            assert await worker.ended() == 0, worker.log
        assert len(yard.noted("said", "before")) == 1


async def test_a_blocked_process_goes_on_when_its_step_is_skipped_from_a_shell(url, tmp_path):
    async with (
        ProcessManager(url, run=False) as client,
        running(YARD, url, "yard", tmp_path, "blocked_s=0.2"),
    ):
        handle = await blocked(client)
        words = ["skip", handle.pid, "quick", "--db", url]
        done = await anyio.run_process([sys.executable, "-m", "procactors", *words], check=False)
        assert done.returncode == 0, done.stderr
        with anyio.fail_after(PATIENCE_S):
            assert await handle.result() == {"n": 1}
        assert (await handle.info()).steps == {"before": "completed", "quick": "skipped"}
