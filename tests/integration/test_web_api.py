"""The JSON API: each route, each error, who may do what, forged requests, what is not shown."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from procactors import ProcessManager, StoreUnavailableError
from procactors.web import allow_all, process_app
from tests.integration.web_shop import (
    ALL,
    ASKING,
    BROKEN,
    HOST,
    LASTING,
    PARENT,
    QUICK,
    UNKNOWN_PID,
    client_of,
    shop,
    until,
)

VERBS = ("proceed", "cancel", "retry", "rewind", "skip", "fork")


def is_problem(response, status, words=""):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"]
    assert problem["title"]
    assert words in problem.get("detail", "")
    return True


# Closed by default.


@pytest.mark.parametrize("options", [{}, {"authorize": None}, {"authorize": True}])
async def test_an_app_without_authorization_is_refused(options):
    with pytest.raises(TypeError, match="authorize"):
        process_app(ProcessManager("memory://"), **options)


async def test_one_text_is_not_several_names():
    with pytest.raises(TypeError, match="redact"):
        process_app(ProcessManager("memory://"), authorize=allow_all, redact="password")


async def test_an_error_of_the_store_does_not_tell_where_it_is(monkeypatch, caplog):
    async def unreachable(*_args, **_options):
        raise StoreUnavailableError("postgresql://db.internal/shop can't be used now: refused") from OSError()

    async with shop(allow_all) as (manager, client):
        monkeypatch.setattr(manager, "list", unreachable)
        for path in ("/", "/api/processes"):
            response = await client.get(path)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert "can&#39;t be used now" in response.text or "can't be used now" in response.text
            assert "internal" not in response.text
    assert "db.internal" in caplog.text


async def test_a_closed_manager_answers_503():
    async with client_of(process_app(ProcessManager("memory://"), authorize=allow_all)) as client:
        response = await client.get("/api/processes")
    assert is_problem(response, 503, "not open")
    assert response.headers["retry-after"] == "1"


# Routes.


async def test_a_process_is_started_by_name_and_read():
    async with shop(allow_all) as (manager, client):
        response = await client.post("/api/processes", json={"name": "quick", "data": {"a": 1}})
        assert response.status_code == 201
        pid = response.json()["pid"]
        assert response.headers["location"] == f"/api/processes/{pid}"
        await manager.result(pid)
        info = (await client.get(f"/api/processes/{pid}")).json()
    assert info["name"] == "quick"
    assert info["status"] == "finished"
    assert info["output"] == {"a": 1, "count": 2}
    assert info["steps"] == {"count": "completed", "again": "completed"}


async def test_a_key_starts_once():
    async with shop(allow_all) as (_, client):
        body = {"name": "quick", "key": "one"}
        answers = [await client.post("/api/processes", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    (pid,) = {answer.json()["pid"] for answer in answers}
    assert {answer.headers["location"] for answer in answers} == {f"/api/processes/{pid}"}


async def test_who_starts_again_but_may_not_read_is_told_the_pid_alone():
    async with shop(lambda request, action, pid: action == "start") as (manager, client):
        body = {"name": "quick", "key": "one"}
        answers = [await client.post("/api/processes", json=body) for _ in range(2)]
        (info,) = await manager.list()
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (201, {"pid": info.pid}),
        (200, {"pid": info.pid}),
    ]


async def test_a_pid_may_be_written_as_a_uuid():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(QUICK)).pid
        dashed = f"{pid[:8]}-{pid[8:12]}-{pid[12:16]}-{pid[16:20]}-{pid[20:]}".upper()
        assert (await client.get(f"/api/processes/{dashed}")).json()["pid"] == pid


async def test_lists_are_filtered_and_come_in_pages():
    async with shop(allow_all) as (manager, client):
        pids = [(await manager.start(QUICK)).pid for _ in range(5)]
        asking = (await manager.start(ASKING)).pid
        for pid in pids:
            await manager.result(pid)
        await until(manager, asking, "interrupted")

        whole = await client.get("/api/processes")
        assert [one["pid"] for one in whole.json()] == [asking, *reversed(pids)]
        assert "link" not in whole.headers
        by_name = await client.get("/api/processes", params={"name": "asking"})
        assert [one["pid"] for one in by_name.json()] == [asking]
        for query in ("status=interrupted&status=failed", "status=interrupted,failed"):
            by_status = await client.get(f"/api/processes?{query}")
            assert [one["pid"] for one in by_status.json()] == [asking]

        found, response = [], await client.get("/api/processes?name=quick&status=finished&limit=2")
        while True:
            found.append([one["pid"] for one in response.json()])
            if "next" not in response.links:
                break
            response = await client.get("/api/processes" + response.links["next"]["url"])
        newest = pids[::-1]
        assert found == [newest[:2], newest[2:4], newest[4:]]
        after = await client.get("/api/processes", params={"after": newest[3]})
        assert [one["pid"] for one in after.json()] == newest[4:]


async def test_lists_are_searched_and_show_children():
    async with shop(allow_all) as (manager, client):
        parent = await manager.start(PARENT, key="order 1", tags=["blue"])
        await parent.result()
        (child,) = await manager.list(name="quick")

        async def found(**query):
            return [one["pid"] for one in (await client.get("/api/processes", params=query)).json()]

        assert await found(parent=parent.pid) == [child.pid]
        assert await found(parent=parent.pid, status="failed") == []
        assert await found(search="PAREN") == await found(search=" order ") == await found(search="blue")
        assert await found(search="blue") == await found(search="blue", status="finished") == [parent.pid]
        assert await found(search="quick", name="parent") == await found(search="nothing") == []
        assert set(await found(search="")) == {parent.pid, child.pid}
        first = await client.get("/api/processes?search=a&status=finished&limit=1&name=parent")
        assert "link" not in first.headers
        both = await client.get(f"/api/processes?search=a&parent={parent.pid}")
        assert is_problem(both, 400, "search")


@pytest.mark.parametrize(
    "query",
    ["status=odd", "limit=0", "limit=-1", "limit=1001", "limit=x", "limit=²", "after=x", "parent=x"],
)
async def test_a_wrong_parameter_is_named(query):
    async with shop(allow_all) as (_, client):
        assert is_problem(await client.get(f"/api/processes?{query}"), 400, query.partition("=")[0])


async def test_an_interrupted_process_proceeds():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(ASKING, {"a": 1})).pid
        await until(manager, pid, "interrupted")
        path = f"/api/processes/{pid}"
        question = (await client.get(path)).json()["interrupt"]
        assert question["step"] == "ask"
        refused = await client.post(f"{path}/proceed", json={"data": {"approved": "perhaps"}})
        assert is_problem(refused, 422, "approved")
        answered = await client.post(f"{path}/proceed", json={"data": {"approved": True}})
        assert answered.status_code == 200
        assert answered.json()["pid"] == pid
        assert await manager.result(pid) == {"a": 1, "approved": True, "count": 1}
        again = await client.post(f"{path}/proceed", json={})
        assert is_problem(again, 409)
        assert again.json()["type"] == "urn:procactors:NotInterruptedError"
        assert again.json()["pid"] == pid


async def test_a_process_is_cancelled_once():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(LASTING)).pid
        await until(manager, pid, "running")
        path = f"/api/processes/{pid}/cancel"
        assert (await client.post(path, json={"reason": "enough"})).status_code == 200
        info = await until(manager, pid, "cancelled")
        assert info.reason == "enough"
        assert is_problem(await client.post(path, json={}), 409, "over already")


async def test_a_failed_process_is_retried_rewound_skipped_and_forked():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(BROKEN)).pid
        failed = await until(manager, pid, "failed")
        path = f"/api/processes/{pid}"
        error = (await client.get(path)).json()["error"]
        assert (error["type"], error["step"]) == ("ValueError", "break_down")
        assert "Traceback" in error["traceback"]

        assert (await client.post(f"{path}/retry", json={})).status_code == 200
        failed = await next_failure(manager, pid, failed.seq)
        assert (await client.post(f"{path}/rewind", json={"step": "count"})).status_code == 200
        await next_failure(manager, pid, failed.seq)

        mended = {"step": "break_down", "data": {"mended": True}}
        forked = await client.post(f"{path}/fork", json=mended)
        assert forked.status_code == 201
        other = forked.json()["pid"]
        assert other != pid
        assert forked.headers["location"] == f"/api/processes/{other}"
        assert await manager.result(other) == {"mended": True}

        assert (await client.post(f"{path}/skip", json={"step": "break_down"})).status_code == 200
        assert (await until(manager, pid, "finished")).steps["break_down"] == "skipped"
        assert is_problem(await client.post(f"{path}/retry", json={}), 409)


async def next_failure(manager, pid, seq):
    async with manager.subscribe(pid, after=seq) as events:
        async for _ in events:
            info = await manager.info(pid)
            if info.status == "failed" and info.seq > seq:
                return info
    return await manager.info(pid)


async def test_managers_are_listed():
    async with shop(allow_all) as (manager, client):
        (one,) = (await client.get("/api/managers")).json()
    assert one["name"] == manager.name
    assert one["kind"] == "manager"
    assert one["is_alive"] is True


async def test_managers_are_listed_with_what_each_runs_as_far_as_it_may_be_read():
    hidden = set()

    def authorize(request, action, pid):
        return pid not in hidden

    async with shop(authorize) as (manager, client):
        pids = [(await manager.start(LASTING)).pid for _ in range(2)]
        for pid in pids:
            await until(manager, pid, "running")
        hidden.add(pids[0])
        (one,) = (await client.get("/api/managers")).json()
        assert one["running"] == 2
        assert one["processes"] == [{"pid": pids[1], "name": "lasting", "status": "running"}]
        page = (await client.get("/managers")).text
        assert f'title="{pids[1]}, running"' in page
        assert f'title="{pids[0]}, running"' not in page


async def test_a_queue_is_paused_and_resumed():
    async with shop(allow_all) as (manager, client):
        paused = await client.post("/api/queues/pause", json={"name": "quick"})
        assert paused.status_code == 200
        handle = await manager.start(QUICK)
        (quick,) = [one for one in (await client.get("/api/queues")).json() if one["name"] == "quick"]
        assert quick["is_paused"] is True
        assert (await handle.info()).status == "queued"
        assert (await client.post("/api/queues/resume", json={"name": "quick"})).status_code == 200
        await handle.result()


async def test_who_may_not_pause_pauses_nothing():
    async with shop(lambda request, action, pid: action != "pause") as (manager, client):
        for verb in ("pause", "resume"):
            assert is_problem(await client.post(f"/api/queues/{verb}", json={}), 403, "pause")
            forged = await client.post(f"/api/queues/{verb}", json={}, headers={"origin": "http://evil.test"})
            assert is_problem(forged, 403)
        assert not any(queue.is_paused for queue in await manager.queues())


async def test_the_api_is_described_as_it_is():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(QUICK)).pid
        described = (await client.get("/openapi.json")).json()
        assert described["openapi"].startswith("3.")
        assert set(described["paths"]) >= {"/api/processes", "/api/events", "/api/processes/{pid}/events"}
        for path, operations in described["paths"].items():
            for method in operations:
                if "events" in path:
                    continue
                response = await client.request(method, path.replace("{pid}", pid), json={})
                assert str(response.status_code) in operations[method]["responses"], (method, path)
        names = {
            word.rpartition("/")[2] for word in json.dumps(described).split('"') if word.startswith("#/comp")
        }
        assert names <= set(described["components"]["schemas"])


async def test_it_can_be_mounted_below_a_path():
    async with ProcessManager("memory://") as manager:
        inner = process_app(manager, authorize=allow_all, processes=ALL)
        async with client_of(Starlette(routes=[Mount("/jobs", inner)])) as client:
            response = await client.post("/jobs/api/processes", json={"name": "quick"})
            place = response.headers["location"]
            assert place == f"/jobs/api/processes/{response.json()['pid']}"
            assert (await client.get(place)).status_code == 200
            assert (await client.get("/jobs/openapi.json")).json()["servers"] == [{"url": "/jobs"}]


# Errors.


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("pid", [UNKNOWN_PID, "nonsense", "%00"])
async def test_what_does_not_exist_answers_404(verb, pid):
    async with shop(allow_all) as (_, client):
        body = {"step": "x"} if verb in {"rewind", "skip", "fork"} else {}
        assert is_problem(await client.post(f"/api/processes/{pid}/{verb}", json=body), 404)
        assert is_problem(await client.get(f"/api/processes/{pid}"), 404)


async def test_routes_and_methods_that_do_not_exist_are_problems_too():
    async with shop(allow_all) as (_, client):
        assert is_problem(await client.get("/api/nothing"), 404)
        assert is_problem(await client.post(f"/api/processes/{UNKNOWN_PID}/explode", json={}), 404)
        assert is_problem(await client.delete("/api/processes"), 405)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"name": NaN}', 400),
        (b"[" * 100_000, 422),
        (b'{"name": "quick", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"name": 7}', 422),
        (b'{"name": "quick", "odd": 1}', 422),
        (b'{"name": "unheard of"}', 422),
        (b'{"name": "quick", "data": "' + b"x" * 1_100_000 + b'"}', 413),
        (b'{"name": "quick", "data": "' + b"x" * 3_000_000 + b'"}', 413),
    ],
)
async def test_a_body_that_can_not_be_used_is_refused(content, status):
    async with shop(allow_all) as (manager, client):
        headers = {"content-type": "application/json"}
        response = await client.post("/api/processes", content=content, headers=headers)
        assert is_problem(response, status)
        assert await manager.list() == []


async def test_an_unknown_name_is_told_which_there_are():
    async with shop(allow_all) as (_, client):
        response = await client.post("/api/processes", json={"name": "unheard of"})
        assert is_problem(response, 422, "quick")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_other_bodies_than_json_are_refused(kind):
    async with shop(allow_all) as (manager, client):
        headers = {} if kind is None else {"content-type": kind}
        response = await client.post("/api/processes", content=b'{"name": "quick"}', headers=headers)
        assert response.status_code in {403, 415}
        assert await manager.list() == []


async def test_an_error_that_nobody_foresaw_shows_nothing_of_itself():
    def authorize(request, action, pid):
        raise ZeroDivisionError("inner secret")

    async with shop(authorize) as (manager, client):
        pid = (await manager.start(QUICK)).pid
        response = await client.get(f"/api/processes/{pid}")
    assert is_problem(response, 500)
    assert "secret" not in response.text
    assert "content-security-policy" in response.headers


# Who may do what.


async def test_what_may_not_be_read_does_not_exist():
    hidden = set()

    async def authorize(request, action, pid):
        return pid not in hidden

    async with shop(authorize) as (manager, client):
        pids = [(await manager.start(QUICK)).pid for _ in range(6)]
        hidden.update(pids[::2])
        seen = [one["pid"] for one in (await client.get("/api/processes")).json()]
        assert seen == pids[1::2][::-1]
        first = await client.get("/api/processes?limit=2")
        assert [one["pid"] for one in first.json()] == seen[:2]
        rest = await client.get("/api/processes" + first.links["next"]["url"])
        assert [one["pid"] for one in rest.json()] == seen[2:]
        there, gone = f"/api/processes/{pids[0]}", f"/api/processes/{UNKNOWN_PID}"
        assert (await client.get(there)).text == (await client.get(gone)).text.replace(UNKNOWN_PID, pids[0])
        for verb in VERBS:
            assert is_problem(await client.post(f"{there}/{verb}", json={"step": "count"}), 404)


@pytest.mark.parametrize("verb", VERBS)
async def test_what_may_be_read_but_not_done_answers_403(verb):
    asked = []

    def authorize(request, action, pid):
        asked.append((action, pid))
        return action == "read"

    async with shop(authorize) as (manager, client):
        pid = (await manager.start(ASKING)).pid
        before = await until(manager, pid, "interrupted")
        response = await client.post(f"/api/processes/{pid}/{verb}", json={"step": "ask"})
        assert is_problem(response, 403, verb)
        assert (verb, pid) in asked
        assert await manager.info(pid) == before


async def test_who_may_not_start_starts_nothing():
    async with shop(lambda request, action, pid: action != "start") as (manager, client):
        assert is_problem(await client.post("/api/processes", json={"name": "quick"}), 403, "start")
        assert await manager.list() == []


async def test_who_may_start_but_not_read_gets_the_pid_alone():
    async with shop(lambda request, action, pid: action == "start") as (manager, client):
        response = await client.post("/api/processes", json={"name": "quick"})
        (info,) = await manager.list()
    assert (response.status_code, response.json()) == (201, {"pid": info.pid})


async def test_who_may_read_nothing_sees_nothing():
    async with shop(lambda request, action, pid: False) as (manager, client):
        await manager.start(QUICK)
        assert (await client.get("/api/processes")).json() == []
        assert is_problem(await client.get("/api/managers"), 404)


async def test_authorize_may_answer_with_an_error_of_its_own():
    def authorize(request, action, pid):
        raise HTTPException(401, "who are you?", {"www-authenticate": "Basic"})

    async with shop(authorize) as (_, client):
        response = await client.post("/api/processes", json={"name": "quick"})
    assert is_problem(response, 401, "who are you?")
    assert response.headers["www-authenticate"] == "Basic"


# Forgery.

OWN = {"origin": HOST}


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        (OWN, False),
        ({"origin": HOST + ":80"}, False),
        ({**OWN, "sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://shop.test", "sec-fetch-site": "same-origin", "host": "shop.test"}, False),
        ({"origin": "https://shop.test"}, True),
        ({"origin": "http://evil.test"}, True),
        ({"origin": "http://shop.test.evil.test"}, True),
        ({"origin": "http://shop.test@evil.test"}, True),
        ({"origin": "http://shop.test:81"}, True),
        ({"origin": "http://shop.test:x"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({**OWN, "sec-fetch-site": "cross-site"}, True),
        ({"origin": "http://evil.test", "sec-fetch-site": "same-origin"}, True),
    ],
)
async def test_forged_requests_change_nothing(headers, is_refused):
    async with shop(allow_all) as (manager, client):
        response = await client.post("/api/processes", json={"name": "quick"}, headers=headers)
        assert response.status_code == (403 if is_refused else 201)
        started = await manager.list()
        assert len(started) == (0 if is_refused else 1)
        if is_refused:
            pid = (await manager.start(ASKING)).pid
            before = await until(manager, pid, "interrupted")
            for verb in VERBS:
                path = f"/api/processes/{pid}/{verb}"
                assert is_problem(await client.post(path, json={"step": "ask"}, headers=headers), 403)
            assert await manager.info(pid) == before


async def test_reading_is_open_to_links_from_elsewhere():
    async with shop(allow_all) as (_, client):
        assert (await client.get("/api/processes", headers={"sec-fetch-site": "cross-site"})).is_success


async def test_every_response_has_the_headers_of_a_closed_house():
    async with shop(allow_all) as (_, client):
        for path in ("/api/processes", "/openapi.json", "/api/nothing"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in headers


# Redaction.


async def test_redacted_fields_are_nowhere():
    secret = "open sesame"
    data = {"Password": secret, "deep": [{"password": {"of": secret}}], "name": "visible"}
    async with shop(allow_all, redact=["password"]) as (manager, client):
        quick, asking = await manager.start(QUICK, data), await manager.start(ASKING, data)
        await quick.result()
        await until(manager, asking.pid, "interrupted")
        paths = ["/api/processes", *(f"/api/processes/{one.pid}" for one in (quick, asking))]
        for path in paths:
            text = (await client.get(path)).text
            assert secret not in text
            assert text.count("[redacted]") >= 2
            assert "visible" in text
        answer = {"data": {"approved": True, "password": secret}}
        assert secret not in (await client.post(f"{paths[2]}/proceed", json=answer)).text
        assert (await manager.result(asking.pid))["Password"] == secret
