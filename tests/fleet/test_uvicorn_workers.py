"""Several uvicorn workers on one store: whichever answers knows all, and one that is killed is missed."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from procactors import ProcessManager
from tests.crash.victim import running

WORKERS, PROCESSES = 3, 30


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/web.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url("web")
    monkeypatch.setenv("WEB_URL", url)
    return url


class Site:
    """What uvicorn serves, each request over a connection of its own: any worker may answer."""

    def __init__(self, path, client):
        self._path = str(path)
        self._client = client

    async def request(self, method, path, **more):
        transport = httpx.AsyncHTTPTransport(uds=self._path)
        async with httpx.AsyncClient(transport=transport, base_url="http://site", timeout=60) as client:
            return await client.request(method, path, **more)

    async def start(self, **data):
        started = await self.request("POST", "/api/processes", json={"name": "served", "data": data})
        assert started.status_code == 201, started.text
        return started.json()["pid"]

    async def ended(self, pid):
        """Return all about a process as soon as it has ended."""
        while True:
            info = (await self.request("GET", f"/api/processes/{pid}")).json()
            if info["ended_at"]:
                return info
            await anyio.sleep(0.02)

    async def managers(self, number):
        """Return those that are alive, as soon as there are so many."""
        while True:
            found = [m for m in await self._client.fleet() if m.is_alive and m.kind == "manager"]
            if len(found) == number:
                return found
            await anyio.sleep(0.05)

    async def who_runs(self, pid):
        """Return the manager that has a process in hand, as soon as one has."""
        while True:
            for manager in await self._client.fleet():
                if pid in {one.pid for one in manager.processes}:
                    return manager
            await anyio.sleep(0.02)


@asynccontextmanager
async def site(url, path):
    arguments = ("tests.fleet.web_app:app", "--uds", path, "--workers", WORKERS, "--log-level", "warning")
    async with ProcessManager(url, run=False) as client, running("uvicorn", *arguments) as program:
        found = Site(path, client)
        try:
            await found.managers(WORKERS)
            yield found
        finally:
            assert await program.kill(signal.SIGTERM) == 0, program.log
        assert await found.managers(0) == []


@pytest.mark.slow
async def test_any_worker_serves_all_and_one_that_is_killed_is_missed(url, tmp_path):
    gate = tmp_path / "gate"
    async with site(url, tmp_path / "socket") as web:
        pids = [await web.start(n=n) for n in range(PROCESSES)]
        assert [(await web.ended(pid))["output"] for pid in pids] == [{"n": n + 1} for n in range(PROCESSES)]
        assert (await web.request("GET", "/health/ready")).status_code == 200

        pid = await web.start(n=0, gate=str(gate))
        victim = await web.who_runs(pid)
        os.kill(victim.os_pid, signal.SIGKILL)
        gate.touch()
        assert (await web.ended(pid))["output"] == {"n": 1}
        events = (await web.request("GET", f"/api/processes/{pid}/events")).text
        assert events.count("event: ProcessRecovered") == events.count("event: ProcessFinished") == 1
        names = {m.name for m in await web.managers(WORKERS)}
        assert victim.name not in names
