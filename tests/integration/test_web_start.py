"""The form that starts a process, without JavaScript."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from procactors import ProcessManager
from procactors.web import allow_all, process_app
from tests.integration.web_reading import Forms, is_own_page
from tests.integration.web_shop import ALL, HASTY, HOST, QUICK, client_of, shop


async def form_on(client, query=""):
    page = await client.get(f"/start{query}")
    assert page.status_code == 200
    assert is_own_page(page)
    return Forms(page.text).found["start"]


async def send(client, fields, **headers):
    return await client.post("/start", data=fields, headers={"origin": HOST, **headers})


async def test_a_process_is_started_by_its_form():
    async with shop(allow_all) as (manager, client):
        assert 'href="/start"' in (await client.get("/")).text
        fields = await form_on(client)
        assert set(fields) == {"token", "name", "data", "key"}
        assert (fields["name"], fields["data"], fields["key"]) == ("quick", "", "")
        assert (await form_on(client, "?name=broken"))["name"] == "broken"
        sent = {**fields, "name": "quick", "data": '{"a": 1}', "key": " order 1 "}
        response = await send(client, sent)
        assert response.status_code == 303
        pid = response.headers["location"].rpartition("/")[2]
        assert response.headers["location"] == f"/processes/{pid}"
        info = await manager.info(pid)
        assert (info.name, info.key) == ("quick", "order 1")
        assert await manager.result(pid) == {"a": 1, "count": 2}
        again = await send(client, sent)
        assert again.headers["location"] == f"/processes/{pid}"
        empty = await send(client, {**fields, "data": " ", "key": ""})
        assert await manager.result(empty.headers["location"].rpartition("/")[2]) == {"count": 2}


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"data": '{"a": '}, 422, "data is not JSON"),
        ({"data": "[" * 5000}, 422, "data is not JSON"),
        ({"name": "nobody"}, 422, "nobody"),
        ({"name": ""}, 422, "may be started"),
        ({"key": "a\0b"}, 422, "NUL"),
        ({"data": '"' + "x" * 1_100_000 + '"'}, 413, "more than the limit"),
    ],
)
async def test_what_can_not_be_started_comes_back_as_it_was_typed(wrong, status, words):
    async with shop(allow_all) as (manager, client):
        typed = {"name": "asking", "data": '{"text": "</textarea><b>"}', "key": 'k"1', **wrong}
        fields = await form_on(client)
        page = await send(client, {**fields, **typed})
        assert page.status_code == status
        assert is_own_page(page)
        assert words in page.text.partition('role="alert"')[2].partition("</p>")[0]
        assert "<b>" not in page.text
        again = Forms(page.text).found["start"]
        assert again["token"] == fields["token"]
        assert again["data"] == typed["data"]
        assert again["key"] == typed["key"] or "\0" in typed["key"]
        if not wrong.keys() & {"name"}:
            assert again["name"] == "asking"
        assert await manager.list() == []


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"token": "forged"}, {}),
        ({"token": ""}, {}),
        ({}, {"origin": "http://evil.test"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ],
)
async def test_a_forged_form_starts_nothing(fields, headers):
    async with shop(allow_all) as (manager, client):
        page = await send(client, {**await form_on(client), **fields}, **headers)
        assert page.status_code == 403
        assert is_own_page(page)
        assert await manager.list() == []


async def test_only_forms_are_taken():
    async with shop(allow_all) as (manager, client):
        response = await client.post("/start", json={"name": "quick"})
        assert response.status_code == 415
        assert await manager.list() == []


async def test_who_may_not_start_sees_no_form():
    def authorize(request, action, pid):
        return action != "start" or "x-boss" in request.headers

    async with shop(authorize) as (manager, client):
        assert 'href="/start"' not in (await client.get("/")).text
        fields = await form_on_as_boss(client)
        for response in (await client.get("/start"), await send(client, fields)):
            assert response.status_code == 403
            assert is_own_page(response)
        assert await manager.list() == []
        assert (await send(client, fields, **{"x-boss": "1"})).status_code == 303


async def form_on_as_boss(client):
    return Forms((await client.get("/start", headers={"x-boss": "1"})).text).found["start"]


async def test_where_nothing_may_be_started_there_is_no_form():
    async with (
        ProcessManager("memory://", options=HASTY) as manager,
        client_of(process_app(manager, authorize=allow_all)) as client,
    ):
        assert 'href="/start"' not in (await client.get("/")).text
        assert (await client.get("/start")).status_code == 404


async def test_who_may_start_but_not_read_is_told_the_pid():
    async with shop(lambda request, action, pid: action == "start") as (manager, client):
        response = await send(client, await form_on(client))
        assert response.status_code == 303
        (info,) = await manager.list()
        assert response.headers["location"] == f"/start?started={info.pid}"
        page = await client.get(response.headers["location"])
        assert f"Started <code>{info.pid}</code>" in page.text
        assert (await client.get("/start?started=<b>")).status_code == 404


async def test_it_works_below_a_path():
    async with ProcessManager("memory://", options=HASTY) as manager:
        inner = process_app(manager, authorize=allow_all, processes=ALL)
        async with client_of(Starlette(routes=[Mount("/jobs", inner)])) as client:
            page = await client.get("/jobs/start")
            assert 'action="/jobs/start"' in page.text
            fields = Forms(page.text).found["start"]
            response = await client.post("/jobs/start", data=fields, headers={"origin": HOST})
            assert response.headers["location"].startswith("/jobs/processes/")
            assert (await manager.list())[0].name == QUICK.name
