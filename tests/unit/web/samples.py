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

        await self.app(request_scope(path, headers), connected(), keep)
        return messages

    async def talk(self, *received, stays=False):
        """Open a websocket, through which the application receives these messages, then a disconnect.

        A client that `stays` leaves it to the application to close.
        """
        sent = []
        messages = iter([{"type": "websocket.connect"}, *received])
        closed = anyio.Event()

        async def receive():
            message = next(messages, None)
            if message is None and stays:
                await closed.wait()
            return message or {"type": "websocket.disconnect", "code": 1001}

        async def send(message):
            sent.append(message)
            if message["type"] == "websocket.close":
                closed.set()

        scope = {**request_scope("/", ()), "type": "websocket", "scheme": "ws", "subprotocols": []}
        del scope["method"]
        await self.app(scope, receive, send)
        return sent


def connected():
    """Return the `receive` of a request without a body, whose client stays."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive():
        message = next(messages, None)
        if message is None:
            await anyio.sleep_forever()
        return message

    return receive


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


class HTTPException(Exception):  # noqa: N818 - named as the frameworks do
    """As web frameworks have it."""

    def __init__(self, status_code, detail="", headers=None):
        super().__init__(detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = headers
