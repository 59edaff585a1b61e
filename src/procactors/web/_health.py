"""Liveness and readiness over HTTP, for whoever restarts a program or sends it work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from procactors.manager import ProcessManager
    from procactors.web._asgi import App, Receive, Scope, Send


def answer_to(manager: ProcessManager, method: str, path: str) -> tuple[int, bytes]:
    """Return the status and the JSON with which a probe is answered."""
    if method not in {"GET", "HEAD"}:
        return 405, b'{"reason":"ask by GET"}'
    health = manager.health()
    verdicts = {"live": health.is_live, "ready": health.is_ready}
    verdict = verdicts.get(path.rpartition("/")[2])
    if verdict is None:
        return 404, b'{"reason":"there are /live and /ready"}'
    return 200 if verdict else 503, msgspec.json.encode(health)


def health_app(manager: ProcessManager) -> App:
    """Return an ASGI application that answers probes.

    `app.mount("/health", health_app(manager))`. `GET /health/live` answers 200 unless the manager's engine
    has ended with an error: restart the program if it answers 503, or not at all, as it does while the event
    loop is blocked. `GET /health/ready` answers 200 while the manager is open, is not closing, and holds its
    lease. Both tell `ProcessManager.health` as JSON, to everybody: there is nothing else in it.

    Args:
        manager: Whose health; a client (`run=False`) will do.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        status, body = answer_to(manager, scope["method"], scope["path"])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in a lifespan, where there is nothing to do, and close a websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
