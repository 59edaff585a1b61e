"""An ASGI server in the test's own task, which keeps what an application sends."""

from __future__ import annotations

import anyio


class Server:
    """Runs an application's lifespan, and requests inside it, one after the other or side by side."""

    def __init__(self, app):
        self.app = app
        self.said = []
        """What the application has said about its lifespan."""
        self._heard = anyio.Event()
        self._shutdown = anyio.Event()

    async def __aenter__(self):
        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self._live)
        await self._heard.wait()
        return self

    async def __aexit__(self, *error):
        self._shutdown.set()
        return await self._group.__aexit__(*error)

    async def _live(self):
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive():
            message = next(messages)
            if message == "lifespan.shutdown":
                await self._shutdown.wait()
            return {"type": message}

        async def send(message):
            self.said.append(message["type"])
            self._heard.set()

        await self.app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    async def get(self, path="/", *, send=None, headers=()):
        """Send a request; return the messages of the response."""
        messages = []

        async def keep(message):
            messages.append(message)
            if send is not None:
                await send(message)

        await self.app(request_scope(path, headers), self._receive, keep)
        return messages

    async def talk(self, *received):
        """Open a websocket, through which the application receives these messages, then a disconnect."""
        sent = []
        messages = iter([{"type": "websocket.connect"}, *received])

        async def receive():
            return next(messages, {"type": "websocket.disconnect", "code": 1001})

        async def send(message):
            sent.append(message)

        scope = {**request_scope("/", ()), "type": "websocket", "subprotocols": []}
        await self.app(scope, receive, send)
        return sent

    @staticmethod
    async def _receive():
        return {"type": "http.request", "body": b"", "more_body": False}


def request_scope(path, headers):
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


def responding(endpoint, *, status=200):
    """Return an application that calls `await endpoint()` and sends what it returns."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        body = await endpoint()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body or b""})

    return app


def noted(log):
    """Return a server's `send` that writes into a log what goes out."""

    async def send(message):
        what = message["type"].removeprefix("http.response.")
        log.append(f"{what}..." if message.get("more_body") else what)

    return send


class HTTPException(Exception):
    """As web frameworks have it."""

    def __init__(self, status_code, detail="", headers=None):
        super().__init__(detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = headers
