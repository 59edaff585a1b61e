"""Probes of an ASGI application."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from procactors.testing import manager
from procactors.web import health_app
from tests.integration.served import served


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app/health")


async def test_an_application_is_live_from_the_start_and_ready_while_its_manager_is_open():
    m = manager()
    app = Starlette(routes=[Mount("/health", health_app(m))])
    async with client_of(app) as client:
        assert [(await client.get(path)).status_code for path in ("/live", "/ready")] == [200, 503]
        async with m:
            answer = await client.get("/ready")
            assert (answer.status_code, answer.json()) == (
                200,
                {"is_live": True, "is_ready": True, "reason": "", "warnings": []},
            )
            assert answer.headers["cache-control"] == "no-store"
        closed = await client.get("/ready")
        assert (closed.status_code, closed.json()["reason"]) == (503, "it is closed")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/live", 200),
        ("HEAD", "/ready", 503),
        ("POST", "/live", 405),
        ("GET", "/", 404),
        ("GET", "/alive", 404),
    ],
)
async def test_what_is_no_probe_is_refused(method, path, status):
    async with client_of(Starlette(routes=[Mount("/health", health_app(manager()))])) as client:
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert bool(answer.content) is (method != "HEAD")


async def test_it_may_be_an_application_of_its_own():
    async with served(health_app(manager()), lifespan="on") as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/live")).status_code == 200
