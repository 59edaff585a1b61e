"""`procactors worker`: a manager as a program, and what ends it."""

from __future__ import annotations

import signal

import anyio
import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.victim import running
from tests.fleet.worker_app import ENDLESS, QUICK

TARGET = "tests.fleet.worker_app:manager"


@pytest.fixture
async def client(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/worker.db"
    monkeypatch.setenv("WORKER_URL", url)
    async with ProcessManager(url, run=False) as client:
        yield client


async def test_it_runs_what_is_queued_and_exits_when_idle(client):
    handles = [await client.start(QUICK, {"n": n}) for n in range(5)]
    async with running("procactors", "worker", TARGET, "--exit-when-idle") as worker:
        assert await worker.ended() == 0, worker.log
    assert [await handle.result() for handle in handles] == [{"n": n} for n in range(5)]


async def test_with_nothing_to_do_it_exits_at_once_when_idle(client):
    async with running("procactors", "worker", TARGET, "--exit-when-idle") as worker:
        assert await worker.ended() == 0, worker.log


async def test_it_ends_after_so_many_processes(client):
    async with running("procactors", "worker", TARGET, "--max-processes", 2) as worker:
        with anyio.fail_after(60):
            for _ in range(2):
                await (await client.start(QUICK)).result()
        assert await worker.ended() == 0, worker.log


async def test_told_to_stop_it_gives_back_what_runs(client):
    handle = await client.start(ENDLESS)
    async with running("procactors", "worker", TARGET) as worker:
        async with handle.subscribe() as events:
            async for event in events:
                if type(event).__name__ == "StepStarted":
                    break
        assert (await handle.info()).owner == "worker"
        assert await worker.kill(signal.SIGTERM) == 0, worker.log
    info = await handle.info()
    assert (info.status, info.owner) == (ProcessStatus.QUEUED, None)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nonsense", "is no module:manager"),
        ("tests.fleet.worker_app:QUICK", "is no ProcessManager"),
        ("tests.fleet.no_such_module:manager", "there is no module"),
    ],
)
async def test_what_is_no_manager_is_refused(client, target, reason):
    async with running("procactors", "worker", target) as worker:
        assert await worker.ended() == 2
    assert reason in worker.log
