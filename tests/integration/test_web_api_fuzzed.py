"""Whatever is sent to the web face: nothing breaks, and each answer is as the OpenAPI document says.

Schemathesis makes requests of the document, good and bad ones. All is drawn from a fixed seed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import anyio
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from procactors import ProcessManager
from procactors.web import allow_all, process_app, process_router
from tests.integration.web_shop import (
    ALL,
    ASKING,
    BROKEN,
    HASTY,
    HOST,
    LASTING,
    OPEN,
    QUICK,
    client_of,
    until,
)

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from httpx import AsyncClient

AS_THEY_STAND = {
    ASKING: "interrupted",
    OPEN: "interrupted",
    BROKEN: "failed",
    QUICK: "finished",
    LASTING: "running",
}
AS_DESCRIBED = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
fixed_seed = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


class Leaving:
    """An application whose clients leave a stream as soon as it has begun."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        has_left = anyio.Event()
        is_asked = is_over = False

        async def receive_or_leave():
            nonlocal is_asked
            if not is_asked:
                message = await receive()
                is_asked = not message.get("more_body")
                return message
            await has_left.wait()
            return {"type": "http.disconnect"}

        async def send_and_leave(message):
            nonlocal is_over
            await send(message)
            if message["type"] == "http.response.body":
                is_over = not message.get("more_body")
                has_left.set()

        await self._app(scope, receive_or_leave, send_and_leave)
        if not is_over:
            await send({"type": "http.response.body", "body": b""})


class World(NamedTuple):
    """A web face, what it says of itself, and processes of it in every condition."""

    portal: BlockingPortal
    client: AsyncClient
    document: dict
    pids: list[str]

    def ask(self, **request):
        return self.portal.call(lambda: self.client.request(**request))


@contextmanager
def world(place):
    """Yield a world in which the web face is an application of its own, or a router."""

    @asynccontextmanager
    async def opened():
        async with ProcessManager("memory://", options=HASTY) as manager:
            options = {"authorize": allow_all, "processes": ALL}
            if place == "app":
                app = process_app(manager, **options)
            else:
                app = FastAPI()
                app.include_router(process_router(manager, **options))
            pids = [(await manager.start(process)).pid for process in AS_THEY_STAND]
            for pid, status in zip(pids, AS_THEY_STAND.values(), strict=True):
                await until(manager, pid, status)
            async with client_of(Leaving(app)) as client:
                yield client, (await client.get("/openapi.json")).json(), pids

    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(opened()) as found:
        yield World(portal, *found)


def cases_of(operation, mode, pids):
    """Return requests for an operation, also for processes that there are."""
    found = [operation.as_strategy(mode)]
    if operation.body:
        found += [operation.as_strategy(mode, path_parameters={"pid": pid}) for pid in pids]
    return st.one_of(found)


def request_of(case):
    """Return a case as arguments for httpx."""
    given = case.as_transport_kwargs(base_url=HOST)
    request = {name: given[name] for name in ("method", "url", "params", "json") if name in given}
    headers = {name: value.encode("latin-1") for name, value in given["headers"].items()}
    return {**request, "headers": headers, "content": given.get("data")}


@pytest.mark.parametrize("place", ["app", "router"])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_described(place, mode):
    with world(place) as here:
        for found in schemathesis.openapi.from_dict(here.document).get_all_operations():
            operation = found.ok()
            if mode.is_positive or operation.body or list(operation.iter_parameters()):
                check_answers(here, operation, mode)


def check_answers(here, operation, mode):
    """Check the answers to requests for one operation; a bad body has to be refused."""
    wanted = [*AS_DESCRIBED, checks.negative_data_rejection] if operation.body else AS_DESCRIBED

    @settings(fixed_seed, max_examples=10)
    @given(cases_of(operation, mode, here.pids), st.sampled_from(ALL))
    def check(case, process):
        if operation.label == "POST /api/processes" and mode.is_positive:
            case.body = {**case.body, "name": process.name}
        case.validate_response(here.ask(**request_of(case)), checks=wanted)

    check()


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            ["application/json", "application/x-www-form-urlencoded", "text/html"]
        ),
        "origin": st.sampled_from([HOST, "http://evil.test", "null", "http://[", "http://shop.test:99999"]),
        "sec-fetch-site": st.sampled_from(["same-origin", "cross-site", "none", "odd"]),
        "last-event-id": st.sampled_from(["1", "99999", "-1", "9" * 30, "\xb2"]),
        "host": st.sampled_from(["shop.test", "[", "shop.test:x", ""]),
        "cookie": st.sampled_from(["procactors_form=x", "=;;=", '"']),
    },
)
BODIES = st.binary(max_size=40) | st.sampled_from(
    [b'{"step": "ask"}', b"[" * 5000, b"token=x&step=ask", b"token=%ff&data=%00", b'{"data": 1e999}']
)


@pytest.mark.parametrize("place", ["app", "router"])
def test_nothing_that_is_sent_breaks_it(place):
    with world(place) as here:
        paths = [(path, method) for path, methods in here.document["paths"].items() for method in methods]
        pids = st.sampled_from(here.pids) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)

        @settings(fixed_seed, max_examples=100)
        @given(
            st.sampled_from(paths), pids, HEADERS, BODIES, st.sampled_from([None, None, "GET", "HEAD", "PUT"])
        )
        def check(where, pid, headers, body, other_method):
            path, method = where
            url = HOST + path.replace("{pid}", quote(pid, safe=""))
            headers = {name: value.encode("latin-1") for name, value in headers.items()}
            response = here.ask(method=other_method or method, url=url, headers=headers, content=body)
            assert response.status_code < 500, (response.request, response.text)

        check()


FORM_FIELDS = st.sampled_from(
    [
        "data",
        "step",
        "reason",
        "field.approved",
        "field.note",
        "field.amount",
        "field.x",
        "name",
        "key",
        "token",
    ]
)
FORM_VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["true", "1e999", "9" * 5000, "[" * 5000, '{"approved": true}', "ask", "break_down", "quick"]
)


def test_no_form_breaks_it():
    with world("app") as here:
        page = here.ask(method="GET", url=f"/processes/{here.pids[0]}")
        token = here.client.cookies["procactors_form"]
        assert f'value="{token}"' in page.text
        verbs = [path for path, methods in here.document["paths"].items() if "post" in methods] + ["/start"]

        @settings(fixed_seed, max_examples=100)
        @given(st.sampled_from(verbs), st.sampled_from(here.pids), st.dictionaries(FORM_FIELDS, FORM_VALUES))
        def check(path, pid, said):
            response = here.ask(method="POST", url=path.replace("{pid}", pid), data={"token": token, **said})
            assert response.status_code < 500, (response.request, said, response.text)

        check()


PAGES = st.sampled_from(
    ["/", "/start", "/managers", "/actors", "/deferred", "/processes/{pid}", "/static/{pid}"]
)
PARAMETERS = st.sampled_from(["status", "name", "search", "after", "limit", "parent", "tag", "process"])


def test_no_address_of_a_page_breaks_it():
    with world("app") as here:
        pids = st.sampled_from(here.pids) | FORM_VALUES

        @settings(fixed_seed, max_examples=200)
        @given(PAGES, pids, st.dictionaries(PARAMETERS, FORM_VALUES | pids))
        def check(page, pid, query):
            response = here.ask(
                method="GET", url=HOST + page.replace("{pid}", quote(pid, safe="")), params=query
            )
            assert response.status_code < 500, (response.request, response.text)

        check()
