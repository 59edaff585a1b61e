"""The API inside a FastAPI application, which documents it as its own."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from procactors import ProcessManager
from procactors.web import allow_all, process_router
from tests.integration.test_web_api import is_problem
from tests.integration.test_web_events import seen_in
from tests.integration.web_shop import ALL, HASTY, OPEN, UNKNOWN_PID, client_of, until


def app_with(manager, prefix, authorize=allow_all):
    app = FastAPI()
    app.include_router(process_router(manager, authorize=authorize, processes=ALL), prefix=prefix)
    return app


@pytest.mark.parametrize("options", [{}, {"authorize": None}])
async def test_a_router_without_authorization_is_refused(options):
    with pytest.raises(TypeError, match="authorize"):
        process_router(ProcessManager("memory://"), **options)


@pytest.mark.parametrize("prefix", ["", "/jobs"])
async def test_everything_works_below_a_prefix(prefix):
    async with (
        ProcessManager("memory://", options=HASTY) as manager,
        client_of(app_with(manager, prefix)) as client,
    ):
        started = await client.post(f"{prefix}/api/processes", json={"name": "open", "data": {"a": 1}})
        assert started.status_code == 201
        place = started.headers["location"]
        assert place == f"{prefix}/api/processes/{started.json()['pid']}"
        await until(manager, started.json()["pid"], "interrupted")
        assert len((await client.get(f"{prefix}/api/processes")).json()) == 1
        assert (await client.post(f"{place}/proceed", json={"data": {"b": 2}})).status_code == 200
        assert await manager.result(started.json()["pid"]) == {"a": 1, "b": 2, "count": 1}
        events = await client.get(f"{place}/events")
        assert seen_in(events.text)[-1].kind == "ProcessFinished"
        assert events.headers["content-type"].startswith("text/event-stream")
        assert (await client.get(f"{prefix}/api/managers")).json()[0]["name"] == manager.name
        assert is_problem(await client.get(f"{prefix}/api/processes/{UNKNOWN_PID}"), 404)
        assert is_problem(await client.post(f"{place}/retry", json={}), 409)
        forged = {"origin": "http://evil.test"}
        assert is_problem(await client.post(f"{place}/fork", json={"step": "count"}, headers=forged), 403)


async def test_who_may_not_gets_nothing():
    async with ProcessManager("memory://", options=HASTY) as manager:
        pid = (await manager.start(OPEN)).pid
        async with client_of(app_with(manager, "/jobs", lambda request, action, pid: False)) as client:
            for path in (f"/jobs/api/processes/{pid}", f"/jobs/api/processes/{pid}/events"):
                assert is_problem(await client.get(path), 404)


async def test_the_application_documents_it():
    app = app_with(ProcessManager("memory://"), "/jobs")
    async with client_of(app) as client:
        described = (await client.get("/openapi.json")).json()
    assert described["paths"]["/jobs/api/processes/{pid}/proceed"]["post"]["requestBody"]
    assert described["paths"]["/jobs/api/processes"]["get"]["summary"] == "List processes, the newest first"
