"""The programs in docs/examples run, each with its real framework."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE_S = 30
UNKNOWN_PID = "0199e7a1c0de70008000000000000000"
LIFESPANS = {
    "fastapi_app": lambda app: app.router.lifespan_context(app),
    "starlette_app": lambda app: app.router.lifespan_context(app),
    "litestar_app": lambda app: app.lifespan(),
    "quart_app": lambda app: app.test_app(),
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def loaded(name, monkeypatch, url):
    """Return the module of an example, with its state in `url`."""
    monkeypatch.setenv("DATABASE", url)
    monkeypatch.setenv("EDITOR_TOKEN", "s3cret")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


async def status_of(client, pid, *wanted):
    """Return what the application says of an article as soon as it has one of these statuses."""
    while True:
        answer = (await client.get(f"/articles/{pid}")).json()
        if answer["status"] in wanted:
            return answer
        await anyio.lowlevel.checkpoint()


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


@pytest.mark.parametrize("name", LIFESPANS)
async def test_an_article_waits_for_its_editor_also_across_a_restart(name, monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path}/publishing.db"
    with anyio.fail_after(PATIENCE_S):
        app = loaded(name, monkeypatch, url).app
        async with LIFESPANS[name](app), client_of(app) as client:
            started = await client.post("/articles", json={"title": "Hello World"})
            assert started.status_code == 202
            pid = started.json()["pid"]
            await status_of(client, pid, "interrupted")
            assert (await client.get(f"/articles/{UNKNOWN_PID}")).status_code == 404

        app = loaded(name, monkeypatch, url).app
        async with LIFESPANS[name](app), client_of(app) as client:
            again = await client.post("/articles", json={"title": "Hello World"})
            assert again.json() == {"pid": pid}
            decided = await client.post(f"/articles/{pid}/decision", json={"approved": True})
            assert decided.status_code == 202
            assert (await status_of(client, pid, "finished"))["output"] == {"url": "/hello-world"}
            late = await client.post(f"/articles/{pid}/decision", json={"approved": True})
            assert late.status_code == 409


async def test_fastapi_streams_events_and_mounts_the_web_face_behind_a_token(monkeypatch):
    app = loaded("fastapi_app", monkeypatch, "memory://").app
    with anyio.fail_after(PATIENCE_S):
        async with LIFESPANS["fastapi_app"](app), client_of(app) as client:
            pid = (await client.post("/articles", json={"title": "Hello"})).json()["pid"]
            await status_of(client, pid, "interrupted")
            await client.post(f"/articles/{pid}/decision", json={"approved": False, "note": "dull"})
            stream = (await client.get(f"/articles/{pid}/events")).text
            told = [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: ")]
            kinds = [line[7:] for line in stream.split("\n") if line.startswith("event: ")]
            assert (kinds[0], kinds[-1]) == ("ProcessQueued", "ProcessFinished")
            assert told[-1]["output"] == {"url": None, "note": "dull"}
            path = f"/processes/api/processes/{pid}"
            assert (await client.get(path)).status_code == 404
            seen = await client.get(path, headers={"authorization": "Bearer s3cret"})
            assert seen.json()["status"] == "finished"


def test_the_script_asks_and_publishes(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "script.py", "Hello World"],
        input="y\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env={**os.environ, "DATABASE": f"sqlite:///{tmp_path}/publishing.db"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "{'url': '/hello-world'}"
