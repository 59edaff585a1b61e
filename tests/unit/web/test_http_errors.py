"""Which errors are HTTP exceptions, and the responses that they become."""

import http.client
import json

import pytest
from litestar.exceptions import HTTPException as LitestarHTTPException
from starlette.exceptions import HTTPException as StarletteHTTPException
from werkzeug.exceptions import Conflict, Unauthorized

from procactors.web._http_errors import is_gone, is_http_error, is_said_to_websocket, respond, status_of
from tests.unit.web.samples import HTTPException


class Sent(list):
    async def __call__(self, message):
        self.append(message)

    @property
    def headers(self):
        return dict(self[0]["headers"])


async def response_to(error, scope=None):
    sent = Sent()
    await respond(error, {} if scope is None else scope, None, sent)
    return sent


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StarletteHTTPException(404), 404),
        (LitestarHTTPException(status_code=409), 409),
        (Conflict(), 409),
        (http.client.HTTPException(), None),
        (http.client.BadStatusLine("x"), None),
        (ValueError(), None),
    ],
    ids=repr,
)
def test_http_exceptions_are_known_by_their_shape(error, status):
    assert status_of(error) == status
    assert is_http_error(error) == (status is not None)


def test_exceptions_of_connections_are_known_by_their_names():
    names = ("ClientDisconnect", "WebSocketDisconnect", "WebSocketException", "Other")
    errors = [type(name, (Exception,), {})() for name in names]
    assert [is_gone(error) for error in errors] == [True, True, False, False]
    assert [is_said_to_websocket(error) for error in errors] == [True, True, True, False]


async def test_detail_is_the_text_and_headers_are_kept():
    sent = await response_to(HTTPException(429, "wait", {"Retry-After": "7", "Content-Length": "999"}))
    assert (sent[0]["status"], sent[1]["body"]) == (429, b"wait")
    assert sent.headers == {
        b"content-length": b"4", b"content-type": b"text/plain; charset=utf-8", b"retry-after": b"7",
    }  # fmt: skip


@pytest.mark.parametrize("status", [204, 304])
async def test_some_responses_have_no_body(status):
    sent = await response_to(HTTPException(status, "nothing"))
    assert (sent[1]["body"], sent.headers) == (b"", {b"content-length": b"0"})


async def test_litestar_says_it_in_json():
    sent = await response_to(LitestarHTTPException("no", status_code=400, extra={"field": "name"}))
    assert json.loads(sent[1]["body"]) == {"status_code": 400, "detail": "no", "extra": {"field": "name"}}


async def test_werkzeug_says_it_in_html_with_its_headers():
    sent = await response_to(Unauthorized("who are you?", www_authenticate=None))
    assert sent[0]["status"] == 401
    assert b"who are you?" in sent[1]["body"]
    assert sent.headers[b"content-type"].startswith(b"text/html")


class Answer:
    def __init__(self, text):
        self.text = text

    async def __call__(self, _scope, _receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": self.text})


async def answer(_request, error):
    return Answer(error.detail.encode())


class Handler:
    async def __call__(self, request, error):
        return await answer(request, error)


def answer_in_a_thread(_request, error):
    return Answer(error.detail.encode())


@pytest.mark.parametrize("handler", [answer, answer_in_a_thread, Handler()])
@pytest.mark.parametrize("key", [409, Exception])
async def test_handlers_of_a_starlette_application_are_asked(handler, key):
    by_class, by_status = ({}, {key: handler}) if key == 409 else ({key: handler}, {})
    scope = {"type": "http", "headers": [], "starlette.exception_handlers": (by_class, by_status)}
    sent = await response_to(HTTPException(409, "short and stout"), scope)
    assert (sent[0]["status"], sent[1]["body"]) == (418, b"short and stout")


async def test_without_a_handler_for_it_it_is_said_plainly():
    scope = {"type": "http", "headers": [], "starlette.exception_handlers": ({}, {})}
    assert (await response_to(HTTPException(409, "x"), scope))[0]["status"] == 409
