"""Who may see and do what, on every route that there is: one that is new here has to be given its place."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from starlette.routing import Mount

from procactors import Process, ProcessManager
from procactors.web import allow_all, process_app
from procactors.web._openapi import document
from procactors.web._verbs import VERBS
from tests.integration.web_shop import (
    ALL,
    ASKING,
    BROKEN,
    HASTY,
    HOST,
    QUICK,
    client_of,
    count,
    until,
)

OPEN = {("GET", "/static"), ("GET", "/openapi.json")}  # say nothing about processes
STREAM = {("GET", "/api/events")}  # never ends; tried with a real server, in test_web_events
LISTS = {("GET", "/"), ("GET", "/api/processes")}  # of what may be read
OF_ONE = {
    ("GET", "/processes/{pid}"),
    ("GET", "/api/processes/{pid}"),
    ("GET", "/api/processes/{pid}/events"),
    ("POST", "/api/processes/{pid}/{action}"),
}
OF_ALL = {  # "read" without a pid
    ("GET", "/managers"),
    ("GET", "/actors"),
    ("GET", "/deferred"),
    ("GET", "/api/managers"),
    ("GET", "/api/queues"),
    ("GET", "/api/actors"),
    ("GET", "/api/deferred"),
}
DOING = {  # without a pid
    ("GET", "/start"): "start",
    ("POST", "/start"): "start",
    ("POST", "/api/processes"): "start",
    ("POST", "/api/queues/pause"): "pause",
    ("POST", "/api/queues/resume"): "pause",
}
BODIES = {"step": {"step": "ask"}, "data": {"data": {}}}
USERS = ("ann", "bob")
SECRETS = Process("secret of bob", [count])


def routes():
    """Return the method and path of every route."""
    app = process_app(ProcessManager("memory://"), authorize=allow_all, processes=ALL)
    found = set()
    for route in app._app.routes:
        methods = {"GET"} if isinstance(route, Mount) else route.methods - {"HEAD"}
        found |= {(method, route.path) for method in methods}
    return found


def test_every_route_has_its_place_here():
    assert routes() == OPEN | STREAM | LISTS | OF_ONE | OF_ALL | DOING.keys()


def test_every_route_of_the_api_is_described():
    api = {(method, path) for method, path in routes() if path.startswith("/api/")}
    api.remove(("POST", "/api/processes/{pid}/{action}"))
    api |= {("POST", f"/api/processes/{{pid}}/{verb}") for verb in VERBS}
    paths = document("/")["paths"].items()
    assert {(method.upper(), path) for path, methods in paths for method in methods} == api


@asynccontextmanager
async def two_users(**may):
    """Yield a manager, the pids of two users, and a client of each; both read theirs, and do what is said."""
    owners = {}

    def authorize(request, action, pid):
        user = request.headers["x-user"]
        if pid is None:
            return action in may.get(user, ())
        return owners.get(pid) == user and (action == "read" or action in may.get(user, ()))

    async with ProcessManager("memory://", options=HASTY) as manager:
        pids = {}
        for user in USERS:
            handles = [await manager.start(p, {"of": user}, tags=[user]) for p in (ASKING, QUICK, BROKEN)]
            if user == "bob":
                handles.append(await manager.start(SECRETS))
            pids[user] = [handle.pid for handle in handles]
            owners.update(dict.fromkeys(pids[user], user))
            for handle in handles:
                await until(manager, handle.pid, "interrupted", "finished", "failed")
        app = process_app(manager, authorize=authorize, processes=ALL)
        async with client_of(app, **{"x-user": "ann"}) as ann, client_of(app, **{"x-user": "bob"}) as bob:
            yield manager, pids, {"ann": ann, "bob": bob}


async def ask(client, method, path, **more):
    if method == "GET":
        return await client.get(path)
    if path == "/start":
        return await client.post(path, data={"token": "x", "name": "quick"}, headers={"origin": HOST})
    return await client.post(path, json=more.get("json", {}))


async def test_lists_show_each_user_their_own():
    async with two_users() as (_, pids, clients):
        for _, path in LISTS:
            for user, other in zip(USERS, reversed(USERS), strict=True):
                for query in (
                    "",
                    "?status=interrupted,finished,failed",
                    "?name=quick",
                    "?search=quick",
                    f"?search={other}",
                ):
                    text = (await ask(clients[user], "GET", f"{path}{query}")).text
                    assert not [pid for pid in pids[other] if pid in text]
                    assert (pids[user][1] in text) is (query != f"?search={other}")
            assert "secret" not in (await clients["ann"].get(path)).text
            assert "secret" in (await clients["bob"].get(path)).text
            parent = (await clients["ann"].get(f"{path}?parent={pids['bob'][0]}")).text
            assert "of bob" not in parent


@pytest.mark.parametrize(("method", "path"), sorted(OF_ONE))
async def test_what_belongs_to_another_does_not_exist(method, path):
    verbs = list(VERBS) if "{action}" in path else [""]
    async with two_users(ann=VERBS, bob=VERBS) as (manager, pids, clients):
        for pid in pids["bob"]:
            before = await manager.info(pid)
            for action in verbs:
                where = path.replace("{pid}", pid).replace("{action}", action)
                for body in BODIES.values():
                    response = await ask(clients["ann"], method, where, json=body)
                    assert response.status_code == 404
                    assert "secret" not in response.text
                    assert before.name not in response.text
            assert await manager.info(pid) == before
        own = path.replace("{pid}", pids["ann"][1]).replace("{action}", "fork")
        assert (await ask(clients["ann"], method, own, json={"step": "count"})).status_code in {200, 201}


@pytest.mark.parametrize(("method", "path"), sorted(OF_ALL))
async def test_what_concerns_all_is_for_who_may_read_all(method, path):
    async with two_users(bob=["read"]) as (_, pids, clients):
        refused = await ask(clients["ann"], method, path)
        assert refused.status_code == 404
        assert not [pid for pid in pids["bob"] if pid in refused.text]
        shown = await ask(clients["bob"], method, path)
        assert shown.status_code == 200
        assert not [pid for pid in pids["ann"] if pid in shown.text]


@pytest.mark.parametrize(("method", "path"), sorted(DOING))
async def test_what_is_done_is_for_who_may_do_it(method, path):
    everything = set(DOING.values()) | set(VERBS) | {"read"}
    async with two_users(ann=everything - {DOING[method, path]}) as (manager, _, clients):
        before = await manager.counts()
        for user in USERS:
            body = {"name": "quick"}
            assert (await ask(clients[user], method, path, json=body)).status_code == 403
        assert await manager.counts() == before
        assert not any(queue.is_paused for queue in await manager.queues())


async def test_pages_lead_only_where_one_may_go():
    async with two_users(ann=["read"], bob=["start"]) as (_, pids, clients):
        for path in ("/", "/processes/{pid}"):
            ann, bob = [
                (await clients[user].get(path.replace("{pid}", pids[user][0]))).text for user in USERS
            ]
            for name in ("managers", "actors", "deferred"):
                assert f'href="/{name}"' in ann
                assert f'href="/{name}"' not in bob
            assert 'href="/start"' not in ann
            assert 'href="/start"' in bob
