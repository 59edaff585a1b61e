"""`procactors serve` as an OS process: what it shows, to whom, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import anyio
import httpx
import pytest

from procactors import ProcessManager
from tests.integration.web_shop import HASTY, QUICK

PATIENCE_S = 100


async def filled(url):
    async with ProcessManager(url, options=HASTY) as manager:
        handle = await manager.start(QUICK, {"page": 7})
        await handle.result()
        return handle.pid


@pytest.fixture
def store(tmp_path):
    """The URL of a file with one ended process, and its pid."""
    url = f"sqlite:///{tmp_path}/shop.db"
    return url, anyio.run(filled, url)


def command(url, *words):
    return [sys.executable, "-m", "procactors", "serve", "--db", url, "--port", "0", *words]


@contextmanager
def serving(url, *words):
    with subprocess.Popen(command(url, *words), stderr=subprocess.PIPE, text=True) as program:
        line = program.stderr.readline()
        assert "s3cret" not in line
        address = re.match(r"(http://\S+)/ shows ", line)
        try:
            assert address, line + program.stderr.read()
            with httpx.Client(base_url=address[1], timeout=PATIENCE_S) as client:
                yield program, client
        finally:
            program.terminate()
            program.wait(PATIENCE_S)


def test_it_shows_and_changes_nothing(store):
    url, pid = store
    with serving(url) as (_, client):
        assert "quick" in client.get("/").text
        assert client.get(f"/api/processes/{pid}").json()["status"] == "finished"
        assert client.get(f"/processes/{pid}").text.count("<form") == 0
        for verb in ("cancel", "retry", "fork"):
            assert client.post(f"/api/processes/{pid}/{verb}", json={"step": "count"}).status_code == 403


def test_it_changes_what_it_may(store):
    url, pid = store
    with serving(url, "--write") as (_, client):
        response = client.post(f"/api/processes/{pid}/fork", json={"step": "count"})
        assert response.status_code == 201
        assert response.json()["status"] == "queued"


def test_a_foreign_name_that_leads_here_is_refused(store):
    url, pid = store
    with serving(url) as (_, client):
        for host, status in (("evil.test", 400), ("localhost", 200)):
            assert client.get(f"/api/processes/{pid}", headers={"host": host}).status_code == status


def test_it_stops_with_a_stream_open(store):
    with serving(store[0]) as (program, client), client.stream("GET", "/api/events") as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry:")
        program.send_signal(signal.SIGTERM)
        for _ in lines:
            pass
        assert program.wait(PATIENCE_S) in {0, -signal.SIGTERM}
        assert "Traceback" not in program.stderr.read()


def refusal(url, *words):
    """Return what `serve` says of why it can't serve."""
    done = subprocess.run(
        command(url, *words), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_what_can_not_be_served_is_said_in_a_line(store, tmp_path):
    (tmp_path / "letter.db").write_text("Dear Ada, this is no database. " * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "can't listen" in refusal(store[0], "--port", port)
        assert "no file" in refusal(f"sqlite:///{tmp_path}/no.db", "--write")
        assert "not a usable SQLite database" in refusal(f"sqlite:///{tmp_path}/letter.db")


def test_a_password_is_not_shown():
    said = refusal("postgresql://ada:s3cret@127.0.0.1:1/shop")
    assert said.startswith("Error: postgresql://ada@127.0.0.1:1/shop can't be used now")
    assert "s3cret" not in said


def test_it_shows_a_store_in_postgresql_too(postgres):
    url = postgres.url("served").replace("postgres@", "postgres:s3cret@")  # which it does not ask for
    pid = anyio.run(filled, url)
    with serving(url) as (_, client):
        assert client.get(f"/api/processes/{pid}").json()["status"] == "finished"
        assert "quick" in client.get("/").text
