"""Liveness and readiness of a worker as a probe sees them: from another OS process, over HTTP."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from typer.testing import CliRunner

from procactors import ProcessManager
from procactors.cli.app import app
from tests.crash.victim import running
from tests.fleet.worker_app import BLOCKS, ENDLESS, QUICK
from tests.postgres import postgres_server

TARGET = "tests.fleet.worker_app:patient_manager"
SILENT_S, PATIENCE_S = 0.5, 60
"""How long a probe waits where there will be no answer, and where there will."""


@pytest.fixture
def url(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/health.db"
    monkeypatch.setenv("WORKER_URL", url)
    return url


class Probe:
    """Asks a worker, as a container's runtime does."""

    def __init__(self, worker):
        self._worker = worker

    async def port(self):
        while not (found := re.search(r"on port (\d+)", self._worker.log)):  # noqa: ASYNC110 - it is written
            await anyio.sleep(0.02)
        return found[1]

    async def ask(self, question, timeout=PATIENCE_S):
        """Return the status and what is said with it; 0 if there is no answer."""
        return await anyio.to_thread.run_sync(self._ask, await self.port(), question, timeout)

    def _ask(self, port, question, timeout):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{question}", timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    async def until(self, question, status, reason=""):
        """Ask until it is answered so."""
        while True:
            found, said = await self.ask(question)
            if found == status and reason in said.get("reason", ""):
                return
            await anyio.sleep(0.02)


def state_of(os_pid):
    return Path(f"/proc/{os_pid}/stat").read_text().rpartition(")")[2].split()[0]


async def until_step(client, pid):
    async with client.subscribe(pid) as events:
        async for event in events:
            if type(event).__name__ == "StepStarted":
                return


async def test_a_worker_that_works_is_live_and_ready_and_one_that_is_stopped_does_not_answer(url):
    async with running("procactors", "worker", TARGET, "--health-port", 0) as worker:
        probe = Probe(worker)
        await probe.until("ready", 200)
        told = {"is_live": True, "is_ready": True, "reason": "", "warnings": []}
        assert await probe.ask("live") == (200, told)
        assert (await probe.ask("nonsense"))[0] == 404
        worker.process.send_signal(signal.SIGSTOP)
        while state_of(worker.os_pid) != "T":  # noqa: ASYNC110 - the kernel does it soon
            await anyio.sleep(0.01)
        assert await probe.ask("live", SILENT_S) == (0, {})
        worker.process.send_signal(signal.SIGCONT)
        await probe.until("ready", 200)
        assert await worker.kill(signal.SIGTERM) == 0, worker.log


async def test_a_worker_whose_loop_is_blocked_does_not_answer_until_it_turns_again(url, tmp_path):
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    async with (
        ProcessManager(url, run=False) as client,
        running("procactors", "worker", TARGET, "--health-port", 0) as worker,
    ):
        probe = Probe(worker)
        await probe.until("ready", 200)
        handle = await client.start(BLOCKS, {"gate": str(gate), "begun": str(begun)})
        while not begun.exists():  # noqa: ASYNC110 - the worker makes it
            await anyio.sleep(0.02)
        assert await probe.ask("live", SILENT_S) == (0, {})
        gate.touch()
        await probe.until("ready", 200)
        await handle.result()
        assert await worker.kill(signal.SIGTERM) == 0, worker.log


async def test_a_worker_that_drains_is_live_and_gets_no_work(url):
    async with ProcessManager(url, run=False) as client:
        handle = await client.start(ENDLESS)
        async with running("procactors", "worker", TARGET, "--health-port", 0) as worker:
            probe = Probe(worker)
            await until_step(client, handle.pid)
            worker.process.send_signal(signal.SIGTERM)
            await probe.until("ready", 503, "closing")
            assert (await probe.ask("live"))[0] == 200
            assert await worker.kill(signal.SIGTERM) == 128 + signal.SIGTERM


async def test_a_worker_without_its_database_is_live_and_not_ready(monkeypatch):
    with postgres_server() as server:
        monkeypatch.setenv("WORKER_URL", server.url("health"))
        async with running("procactors", "worker", TARGET, "--health-port", 0) as worker:
            probe = Probe(worker)
            await probe.until("ready", 200)
            await anyio.to_thread.run_sync(server.stop)
            await probe.until("ready", 503, "lease has run out")
            assert (await probe.ask("live"))[0] == 200
            await anyio.to_thread.run_sync(server.start)
            await probe.until("ready", 200)
            async with ProcessManager(server.url("health"), run=False) as client:
                assert await (await client.start(QUICK, {"n": 1})).result() == {"n": 1}
            assert await worker.kill(signal.SIGTERM) == 0, worker.log


async def test_the_command_line_exits_with_what_a_worker_answers(url):
    async with running("procactors", "worker", TARGET, "--health-port", 0) as worker:
        probe = Probe(worker)
        await probe.until("ready", 200)
        port = await probe.port()
        for arguments in ([port], [port, "--live"], [f"http://127.0.0.1:{port}/"]):
            done = await anyio.to_thread.run_sync(CliRunner().invoke, app, ["health", *arguments])
            assert done.exit_code == 0, done.output
        assert await worker.kill(signal.SIGTERM) == 0, worker.log
        async with running("procactors", "health", port) as asking:
            assert await asking.ended() == 1
        assert "does not answer" in asking.log


async def test_a_port_that_is_taken_is_an_error_before_anything_is_run(url):
    async with await anyio.create_tcp_listener() as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with running("procactors", "worker", TARGET, "--health-port", port) as worker:
            assert await worker.ended() == 2
    assert f"can't listen on port {port}" in worker.log
