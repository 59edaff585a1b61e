"""The programs in docs/examples run, each with its real framework, as their page says."""

import importlib.util
import os
import re
import subprocess
import sys

import anyio
import httpx
import pytest

from tests.integration.example_servers import EXAMPLES, PATIENCE_S, served, typed, wait_for

PAGE = (EXAMPLES / "index.md").read_text("utf-8")
SERVERS = re.findall(r"`uvicorn (\w+:app)` \|$", PAGE, re.MULTILINE)
TALK = re.findall(r"^curl .+$", PAGE, re.MULTILINE)
UNKNOWN_PID = "0199e7a1c0de70008000000000000000"


def status_of(client, pid, wanted):
    """Return what the application says of an article as soon as it has this status."""
    return wait_for(lambda: client.get(f"/articles/{pid}").json(), lambda answer: answer["status"] == wanted)


def test_every_example_is_on_the_page():
    programs = {path.name for path in EXAMPLES.glob("*.py")} - {"publishing.py", "script.py"}
    assert programs == {f"{target.partition(':')[0]}.py" for target in SERVERS}
    assert len(TALK) == 4


@pytest.mark.parametrize("target", SERVERS)
def test_an_article_waits_for_its_editor_also_across_a_kill(target, tmp_path):
    with served(target, tmp_path) as client:
        started = typed(client, TALK[0])
        assert started.status_code == 202
        pid = started.json()["pid"]
        status_of(client, pid, "interrupted")
        assert client.get(f"/articles/{UNKNOWN_PID}").status_code == 404
    with served(target, tmp_path) as client:
        assert typed(client, TALK[0]).json() == {"pid": pid}
        assert typed(client, TALK[1], PID=pid).json()["status"] == "interrupted"
        assert typed(client, TALK[2], PID=pid).status_code == 202
        assert status_of(client, pid, "finished")["output"] == {"url": "/hello-world"}
        assert typed(client, TALK[3], PID=pid).json()["status"] == "finished"
        assert typed(client, TALK[2], PID=pid).status_code == 409


def test_django_decides_by_a_form_and_counts_after_its_responses(tmp_path):
    with served("django_app:app", tmp_path) as client:
        pid = typed(client, TALK[0]).json()["pid"]
        status_of(client, pid, "interrupted")
        page = client.get(f"/articles/{pid}/page")
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        wait_for(lambda: client.get(f"/articles/{pid}").json()["views"], lambda views: views == 1)
        forged = client.post(f"/articles/{pid}/page", data={"approved": "yes"})
        assert forged.status_code == 403
        form = {"approved": "no", "csrfmiddlewaretoken": token}
        assert client.post(f"/articles/{pid}/page", data=form).status_code == 302
        assert status_of(client, pid, "finished")["output"]["url"] is None
        assert "not published" in client.get(f"/articles/{pid}/page").text
        place = f"/processes/processes/{pid}"
        assert client.get(place).status_code == 404
        assert "publish" in client.get(place, headers={"authorization": "Bearer s3cret"}).text


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_fastapi_has_three_faces(monkeypatch):
    monkeypatch.setenv("DATABASE", "memory://")
    monkeypatch.setenv("EDITOR_TOKEN", "s3cret")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("fastapi_app", EXAMPLES / "fastapi_app.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fastapi_app", module)
    spec.loader.exec_module(module)
    app = module.app
    with anyio.fail_after(PATIENCE_S):
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client,
        ):
            pid = (await client.post("/articles", json={"title": "Hello"})).json()["pid"]
            editor = {"authorization": "Bearer s3cret"}
            while (await client.get(f"/articles/{pid}")).json()["status"] != "interrupted":
                await anyio.lowlevel.checkpoint()
            path = f"/jobs/api/processes/{pid}"
            refused = await client.post(f"{path}/proceed", json={"data": {"approved": False}})
            assert refused.status_code == 403
            answer = {"data": {"approved": False, "note": "dull"}}
            assert (await client.post(f"{path}/proceed", json=answer, headers=editor)).status_code == 200
            stream = (await client.get(f"{path}/events")).text
            heard = set(re.findall(r'on\("(\w+)"', (await client.get("/")).text))
            told = set(re.findall(r"^event: (\w+)$", stream, re.MULTILINE))
            assert heard - {"StepProgressed"} <= told
            assert (await client.get(f"/processes/processes/{pid}")).status_code == 200
            assert "/jobs/api/processes/{pid}" in (await client.get("/openapi.json")).json()["paths"]


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
