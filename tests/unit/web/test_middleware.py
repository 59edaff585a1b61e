"""What the middleware promises: the moments of PRESEND and POSTSEND, and the ends of connections."""

import logging

import anyio
import pytest
from anyio.lowlevel import checkpoint

from procactors.deferred import EnqueueableUpdate, MergeableUpdate, Stage, current_updates, defer
from procactors.errors import InvalidDefinitionError, NoDeferredScopeError
from procactors.web import DeferredMiddleware
from tests.unit.web.samples import HTTPException, Server, noted, request_scope, responding


def deferring(log, *, fail=None):
    async def endpoint():
        defer(log.append, "post")
        defer(log.append, "pre", stage=Stage.PRESEND)
        defer(log.append, "always", always=True)
        log.append("endpoint")
        if fail is not None:
            raise fail
        return b"body"

    return endpoint


async def test_presend_runs_before_the_response_starts_and_postsend_after_its_last_byte(log):
    async with Server(DeferredMiddleware(responding(deferring(log)))) as server:
        messages = await server.get(send=noted(log))
    assert log == ["endpoint", "pre", "start", "body", "post", "always"]
    assert [m.get("status", m.get("body")) for m in messages] == [200, b"body"]


async def test_request_that_defers_nothing_is_passed_through(log):
    async def endpoint():
        return b"x"

    async with Server(DeferredMiddleware(responding(endpoint))) as server:
        await server.get(send=noted(log))
    assert log == ["start", "body"]


async def test_postsend_runs_in_a_task_of_its_own_while_the_request_is_over(log):
    may_end, runs = anyio.Event(), anyio.Event()

    async def update():
        runs.set()
        await may_end.wait()
        log.append("post")

    async def endpoint():
        defer(update)

    async with Server(DeferredMiddleware(responding(endpoint))) as server:
        await server.get()
        await runs.wait()
        await server.get()  # the next one is not held back
        may_end.set()
    assert log == ["post", "post"]


async def test_concurrent_requests_do_not_see_each_others_updates(log):
    async def app(scope, receive, send):
        path = scope["path"]
        for _ in range(3):
            defer(lambda: log.append((path, current_updates().depth)))
            await checkpoint()
        log.append((path, current_updates().pending_count()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with Server(DeferredMiddleware(app)) as server, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(server.get, f"/{number}")
    for number in range(10):
        assert [entry for entry in log if entry[0] == f"/{number}"] == [
            (f"/{number}", 3), *[(f"/{number}", 1)] * 3,
        ]  # fmt: skip


async def test_update_that_defers_more_runs_it_in_the_same_scope(log):
    def parent():
        log.append("parent")
        defer(log.append, "child")

    async def endpoint():
        defer(parent)
        defer(log.append, "sibling")

    async with Server(DeferredMiddleware(responding(endpoint))) as server:
        await server.get()
    assert log == ["parent", "child", "sibling"]


class TestStreaming:
    async def test_presend_runs_at_the_start_and_postsend_after_the_last_chunk(self, log):
        async def app(scope, receive, send):
            defer(log.append, "pre", stage=Stage.PRESEND)
            defer(log.append, "post")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(2):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        async with Server(DeferredMiddleware(app)) as server:
            await server.get(send=noted(log))
        assert log == ["pre", "start", "body...", "body...", "body", "post"]

    async def test_presend_added_after_the_start_runs_with_postsend(self, log):
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            defer(log.append, "late", stage=Stage.PRESEND)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        async with Server(DeferredMiddleware(app)) as server:
            await server.get(send=noted(log))
        assert log == ["start", "body...", "body", "late"]

    async def test_last_message_may_be_trailers_or_a_path(self, log):
        async def app(scope, receive, send):
            defer(log.append, "post")
            with_trailers = scope["path"] == "/trailers"
            await send(
                {"type": "http.response.start", "status": 200, "headers": [], "trailers": with_trailers}
            )
            if with_trailers:
                await send({"type": "http.response.body", "body": b"x"})
                await checkpoint()
                await send({"type": "http.response.trailers", "headers": []})
            else:
                await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

        async with Server(DeferredMiddleware(app)) as server:
            await server.get("/trailers", send=noted(log))
            await server.get("/path", send=noted(log))
        assert log.count("post") == 2
        assert log.index("post") > log.index("trailers")

    async def test_client_that_goes_away_in_the_middle_keeps_nothing_from_running(self, log):
        async def send(message):
            if message["type"] == "http.response.body":
                raise OSError("gone")

        async def app(scope, receive, send):
            defer(log.append, "pre", stage=Stage.PRESEND)
            defer(log.append, "post")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

        async with Server(DeferredMiddleware(app)) as server:
            with pytest.raises(OSError, match="gone"):
                await server.get(send=send)
        assert log == ["pre", "post"]

    async def test_application_that_gives_up_a_response_has_its_updates_run(self, log):
        async def app(scope, receive, send):
            defer(log.append, "post")
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async with Server(DeferredMiddleware(app)) as server:
            await server.get()
        assert log == ["post"]

    async def test_exception_in_the_middle_drops_what_is_left(self, log, caplog):
        async def app(scope, receive, send):
            defer(log.append, "pre", stage=Stage.PRESEND)
            defer(log.append, "post")
            defer(log.append, "always", always=True)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise ValueError("broken")

        async with Server(DeferredMiddleware(app)) as server:
            with pytest.raises(ValueError, match="broken"):
                await server.get()
        assert log == ["pre", "always"]
        assert "its request ended by ValueError" in caplog.text


class TestErrors:
    async def test_exception_drops_updates_by_origin_but_for_those_that_always_run(self, log, caplog):
        async with Server(DeferredMiddleware(responding(deferring(log, fail=ValueError("oh"))))) as server:
            with pytest.raises(ValueError, match="oh"):
                await server.get()
        assert log == ["endpoint", "always"]
        dropped = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert len(dropped) == 2
        assert all("test_middleware.py" in line and "endpoint" in line for line in dropped)

    async def test_server_error_page_made_of_an_exception_drops_updates(self, log):
        inner = responding(deferring(log, fail=ValueError("oh")))

        async def app(scope, receive, send):
            try:
                await inner(scope, receive, send)
            except ValueError:
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"sorry"})

        async with Server(DeferredMiddleware(app)) as server:
            messages = await server.get()
        assert messages[0]["status"] == 500
        assert log == ["endpoint", "always"]

    @pytest.mark.parametrize("status", [200, 404, 500, 503])
    async def test_response_of_any_status_is_a_response(self, status, log):
        async with Server(DeferredMiddleware(responding(deferring(log), status=status))) as server:
            await server.get()
        assert log == ["endpoint", "pre", "post", "always"]

    @pytest.mark.parametrize("status", [404, 500])
    async def test_http_exception_that_the_application_handles_is_a_response(self, status, log):
        inner = responding(deferring(log, fail=HTTPException(status)))

        async def app(scope, receive, send):
            try:
                await inner(scope, receive, send)
            except HTTPException as error:
                await send({"type": "http.response.start", "status": error.status_code, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        async with Server(DeferredMiddleware(app)) as server:
            await server.get()
        assert log == ["endpoint", "pre", "post", "always"]

    async def test_http_exception_that_is_handled_further_out_is_a_response(self, log):
        app = DeferredMiddleware(responding(deferring(log, fail=HTTPException(404))))
        async with Server(app) as server:
            with pytest.raises(HTTPException):
                await server.get()
        assert log == ["endpoint", "pre", "post", "always"]

    async def test_request_that_is_cancelled_before_its_response_drops_updates(self, log, caplog):
        async def endpoint():
            defer(log.append, "post")
            defer(log.append, "always", always=True)
            scope.cancel()
            await checkpoint()

        async with Server(DeferredMiddleware(responding(endpoint))) as server:
            with anyio.CancelScope() as scope:
                await server.get()
        assert log == ["always"]
        assert "its request ended by Cancel" in caplog.text

    async def test_request_without_response_drops_updates(self, log, caplog):
        async def app(scope, receive, send):
            defer(log.append, "post")

        async with Server(DeferredMiddleware(app)) as server:
            await server.get()
        assert log == []
        assert "its request ended without a response" in caplog.text

    async def test_client_that_goes_away_does_not_cut_presend_off(self, log):
        async def update():
            scope.cancel()
            await checkpoint()
            log.append("pre")

        async def endpoint():
            defer(update, stage=Stage.PRESEND)
            defer(log.append, "post")

        async with Server(DeferredMiddleware(responding(endpoint))) as server:
            with anyio.CancelScope() as scope:
                await server.get()
        assert log == ["pre", "post"]

    async def test_exception_after_the_last_byte_changes_nothing(self, log):
        async def app(scope, receive, send):
            await responding(deferring(log))(scope, receive, send)
            defer(log.append, "late")
            raise ValueError("too late")

        async with Server(DeferredMiddleware(app)) as server:
            with pytest.raises(ValueError, match="too late"):
                await server.get()
        assert log == ["endpoint", "pre", "post", "always", "late"]


class TestHTTPExceptionOfPresend:
    async def test_first_one_becomes_the_response_and_the_others_run(self, log):
        def refuse(status):
            log.append(status)
            raise HTTPException(status, "taken", {"x-reason": "taken"})

        async def endpoint():
            defer(refuse, 409, stage=Stage.PRESEND)
            defer(refuse, 410, stage=Stage.PRESEND)
            defer(log.append, "pre", stage=Stage.PRESEND)
            defer(log.append, "post")
            return b"fine"

        async with Server(DeferredMiddleware(responding(endpoint))) as server:
            messages = await server.get()
        assert log == [409, 410, "pre", "post"]
        start, body = messages
        assert (start["status"], body["body"]) == (409, b"taken")
        assert (b"x-reason", b"taken") in start["headers"]

    async def test_application_does_not_go_on_with_its_response(self, log):
        async def app(scope, receive, send):
            defer(refuse, stage=Stage.PRESEND)
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            finally:
                log.append("left")
            log.append("not reached")

        def refuse():
            raise HTTPException(400)

        async with Server(DeferredMiddleware(app)) as server:
            messages = await server.get()
        assert log == ["left"]
        assert messages[0]["status"] == 400

    async def test_application_that_catches_everything_sends_nothing_more(self):
        async def app(scope, receive, send):
            defer(refuse, stage=Stage.PRESEND)
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            except Exception:  # noqa: BLE001 - that is the point
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"sorry"})

        def refuse():
            raise HTTPException(400, "no")

        async with Server(DeferredMiddleware(app)) as server:
            messages = await server.get()
        assert [m.get("status", m.get("body")) for m in messages] == [400, b"no"]

    async def test_other_failure_is_isolated(self, log, caplog):
        async def endpoint():
            defer(lambda: 1 / 0, stage=Stage.PRESEND)
            defer(log.append, "pre", stage=Stage.PRESEND)

        async with Server(DeferredMiddleware(responding(endpoint))) as server:
            messages = await server.get()
        assert messages[0]["status"] == 200
        assert log == ["pre"]
        assert "failed to run" in caplog.text

    async def test_one_of_postsend_is_only_logged(self, caplog):
        def refuse():
            raise HTTPException(400)

        async def endpoint():
            defer(refuse)

        async with Server(DeferredMiddleware(responding(endpoint))) as server:
            messages = await server.get()
        assert messages[0]["status"] == 200
        assert "failed to run" in caplog.text


class TestWebsockets:
    async def test_everything_runs_when_it_has_closed(self, log):
        async def app(scope, receive, send):
            assert scope["type"] == "websocket"
            while (message := await receive())["type"] != "websocket.disconnect":
                defer(log.append, message["type"])
                defer(log.append, "pre", stage=Stage.PRESEND)
            log.append("over")

        async with Server(DeferredMiddleware(app)) as server:
            await server.talk({"type": "websocket.receive", "text": "x"})
        assert log == ["over", "pre", "pre", "websocket.connect", "websocket.receive"]

    async def test_its_close_is_its_end(self, log):
        may_end = anyio.Event()

        async def app(scope, receive, send):
            defer(may_end.set)
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            await may_end.wait()

        async with Server(DeferredMiddleware(app)) as server:
            sent = await server.talk()
        assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]

    async def test_exception_drops_updates(self, log, caplog):
        async def app(scope, receive, send):
            defer(log.append, "post")
            defer(log.append, "always", always=True)
            raise ValueError("broken")

        async with Server(DeferredMiddleware(app)) as server:
            with pytest.raises(ValueError, match="broken"):
                await server.talk()
        assert log == ["always"]
        assert "its websocket ended by ValueError" in caplog.text

    async def test_disconnect_that_is_raised_is_no_error(self, log):
        class WebSocketDisconnect(Exception):  # noqa: N818 - named as the frameworks do
            pass

        async def app(scope, receive, send):
            defer(log.append, "post")
            raise WebSocketDisconnect

        async with Server(DeferredMiddleware(app)) as server:
            with pytest.raises(WebSocketDisconnect):
                await server.talk()
        assert log == ["post"]

    async def test_close_made_of_an_exception_drops_updates(self, log):
        async def app(scope, receive, send):
            defer(log.append, "post")
            try:
                int("broken")
            except ValueError:
                await send({"type": "websocket.close", "code": 1011})

        async with Server(DeferredMiddleware(app)) as server:
            await server.talk()
        assert log == []


class TestLifespan:
    async def test_request_without_lifespan_says_what_is_missing(self):
        app = DeferredMiddleware(responding(checkpoint))
        for kind in ("http", "websocket"):
            with pytest.raises(NoDeferredScopeError, match="no lifespan: nobody would run what is deferred"):
                await app({**request_scope("/", ()), "type": kind}, None, None)

    async def test_other_kinds_of_scope_pass_through(self, log):
        async def app(scope, receive, send):
            log.append(scope["type"])

        await DeferredMiddleware(app)({"type": "unheard-of"}, None, None)
        assert log == ["unheard-of"]

    async def test_application_can_be_run_again(self, log):
        app = DeferredMiddleware(responding(deferring(log)))
        for _ in range(2):
            async with Server(app) as server:
                await server.get()
        assert log == ["endpoint", "pre", "post", "always"] * 2

    async def test_late_deferral_of_a_task_that_outlives_its_request_runs(self, log):
        go = anyio.Event()

        async def late():
            await go.wait()
            defer(log.append, "late")

        async def endpoint():
            group.start_soon(late)

        app = DeferredMiddleware(responding(endpoint))
        async with Server(app) as server, anyio.create_task_group() as group:
            await server.get()
            go.set()
        assert log == ["late"]

    async def test_deferral_after_the_shutdown_is_refused(self):
        go = anyio.Event()
        refused = []

        async def late():
            await go.wait()
            try:
                defer(print)
            except NoDeferredScopeError as error:
                refused.append(str(error))

        async def endpoint():
            group.start_soon(late)

        async with anyio.create_task_group() as group:
            async with Server(DeferredMiddleware(responding(endpoint))) as server:
                await server.get()
            go.set()
        assert refused == ["the application has shut down; nobody would run deferred updates"]

    async def test_request_that_is_under_way_at_the_shutdown_has_its_updates_logged(self, log, caplog):
        go = anyio.Event()

        async def endpoint():
            defer(log.append, "post")
            await go.wait()

        async with anyio.create_task_group() as group:
            async with Server(DeferredMiddleware(responding(endpoint))) as server:
                group.start_soon(server.get)
                await anyio.wait_all_tasks_blocked()
            go.set()
        assert log == []
        assert "the application had shut down before it had run" in caplog.text


class Manager:
    """Takes processes, and keeps updates whose function has a name."""

    def __init__(self):
        self.started = []
        self.kept = []

    async def start(self, process, data):
        self.started.append((process, data))

    async def keep_update(self, update):
        if update.function.__name__ == "<lambda>":
            raise InvalidDefinitionError
        await checkpoint()
        self.kept.append(update.args)


async def never(_number):
    await anyio.sleep_forever()


class Enqueueable(EnqueueableUpdate):
    async def run(self):
        await anyio.sleep_forever()

    def as_process(self):
        return "process", {"x": 1}


class TestManager:
    async def test_durable_updates_are_kept_before_the_response_starts(self):
        manager = Manager()
        kept_at_start = []

        async def send(message):
            if message["type"] == "http.response.start":
                kept_at_start.extend(manager.kept)

        async def endpoint():
            defer(never, 1, durable=True)
            defer(never, 2, durable=True, stage=Stage.PRESEND)

        async with Server(DeferredMiddleware(responding(endpoint), manager)) as server:
            await server.get(send=send)
        assert sorted(kept_at_start) == [(1,), (2,)]
        assert len(manager.kept) == 2

    async def test_durable_update_that_cannot_be_kept_fails_the_request(self):
        async def endpoint():
            defer(lambda: None, durable=True)

        async with Server(DeferredMiddleware(responding(endpoint), Manager())) as server:
            with pytest.raises(InvalidDefinitionError):
                await server.get()

    async def test_shutdown_makes_processes_of_what_is_left_and_logs_the_rest(self, caplog):
        manager = Manager()

        async def forget():
            await anyio.sleep_forever()

        async def app(scope, receive, send):
            defer({"/never": never, "/lambda": lambda _: anyio.sleep_forever()}[scope["path"]], 7)
            current_updates().add(Enqueueable())
            await responding(checkpoint)(scope, receive, send)

        async with Server(DeferredMiddleware(app, manager, drain_s=0.05)) as server:
            await server.get("/never")
            await server.get("/lambda")
        assert manager.kept == [(7,)]
        assert manager.started == [("process", {"x": 1})] * 2
        lost = [r.getMessage() for r in caplog.records if "is dropped" in r.getMessage()]
        assert len(lost) == 1
        assert "lambda" in lost[0]

    async def test_without_a_manager_what_is_left_is_logged_by_origin(self, caplog):
        async def endpoint():
            defer(never, 1)
            defer(never, 2)

        async with Server(DeferredMiddleware(responding(endpoint), drain_s=0)) as server:
            await server.get()
        lost = [r.getMessage() for r in caplog.records if "is dropped" in r.getMessage()]
        assert len(lost) == 2
        assert all("never (deferred by" in line and "endpoint" in line for line in lost)


class Unmergeable(MergeableUpdate):
    def run(self):
        pass

    def merge(self, other):
        raise ValueError("can't be merged")


async def test_failing_merge_in_presend_fails_the_request(log):
    def parent():
        current_updates().add(Unmergeable(), Stage.PRESEND)

    async def endpoint():
        defer(parent, stage=Stage.PRESEND)
        defer(parent, stage=Stage.PRESEND)

    async with Server(DeferredMiddleware(responding(endpoint))) as server:
        with pytest.raises(ValueError, match="can't be merged"):
            await server.get()


async def test_group_of_exceptions_that_is_only_the_way_out_is_settled(log):
    def refuse():
        raise HTTPException(409)

    async def app(scope, receive, send):
        defer(refuse, stage=Stage.PRESEND)
        async with anyio.create_task_group() as group:
            group.start_soon(responding(checkpoint), scope, receive, send)

    async with Server(DeferredMiddleware(app)) as server:
        messages = await server.get()
    assert messages[0]["status"] == 409


async def test_http_exception_of_presend_goes_out_in_place_of_one_that_is_handled_further_out(log):
    def refuse():
        raise HTTPException(409)

    async def endpoint():
        defer(refuse, stage=Stage.PRESEND)
        raise HTTPException(404)

    async with Server(DeferredMiddleware(responding(endpoint))) as server:
        with pytest.raises(HTTPException) as raised:
            await server.get()
    assert raised.value.status_code == 409


async def test_error_of_the_application_after_its_response_was_replaced_is_its_own(log):
    def refuse():
        raise HTTPException(409)

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        defer(refuse, stage=Stage.PRESEND)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        except Exception:  # noqa: BLE001 - that is the point
            log.append("caught")
        raise KeyError

    async with Server(DeferredMiddleware(app)) as server:
        with pytest.raises(KeyError):
            await server.get()
    assert log == ["caught"]
