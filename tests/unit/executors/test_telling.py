from __future__ import annotations

import logging
import socket
import sys

import pytest

from procactors.errors import InvalidDefinitionError
from procactors.executors import wire
from procactors.executors.telling import LogToManager, Telling, Wire, WorkerContext

LONG_S = 1000
PATIENCE_S = 60


@pytest.fixture
def ends():
    """The worker's end of a wire, and what its manager gets."""
    theirs, ours = socket.socketpair()
    ours.settimeout(PATIENCE_S)
    with theirs, ours:
        yield Wire(theirs), ours


def next_of(ours, frames=None):
    """Return the messages that arrive next."""
    frames = frames or wire.Frames()
    while True:
        got = [wire.read_report(body) for body in frames.feed(ours.recv(65_536))]
        if got:
            return got


def test_the_first_word_of_progress_is_sent_at_once(ends):
    end, ours = ends
    Telling(end, LONG_S).progressed(1, 2, "half")
    assert next_of(ours) == [wire.Progressed(1, 2, "half")]


def test_of_a_burst_the_last_word_is_sent_when_the_step_is_over(ends):
    end, ours = ends
    telling = Telling(end, LONG_S)
    for done in range(10_000):
        telling.progressed(done, None, "")
    telling.finish()
    assert next_of(ours) == [wire.Progressed(0, None, ""), wire.Progressed(9999, None, "")]


def test_of_a_burst_the_last_word_is_sent_soon(ends):
    end, ours = ends
    telling = Telling(end, 0.05)
    for done in range(3):
        telling.progressed(done, None, "")
    frames, seen = wire.Frames(), []
    while wire.Progressed(2, None, "") not in seen:
        seen += next_of(ours, frames)
    assert seen[0] == wire.Progressed(0, None, "")


def test_signs_of_life_are_not_sent_more_often_than_anyone_needs(ends):
    end, ours = ends
    telling = Telling(end, LONG_S)
    for _ in range(50):
        telling.beat()
    telling.progressed(1, None, "")
    assert next_of(ours)[-1] == wire.Progressed(1, None, "")


def test_a_thread_that_the_step_has_left_is_not_heard_any_more(ends):
    end, ours = ends
    telling = Telling(end, 0)
    telling.finish()
    telling.progressed(1, None, "")
    telling.beat()
    end.send(wire.Begun())
    assert next_of(ours) == [wire.Begun()]


def test_orders_are_received_one_by_one_until_the_manager_is_gone(ends):
    end, ours = ends
    order = wire.Hello(["/a"], None, 0)
    ours.sendall(wire.framed(order) * 2)
    ours.shutdown(socket.SHUT_WR)
    assert [end.receive(), end.receive(), end.receive()] == [order, order, None]


def test_a_log_record_goes_over_with_all_that_a_formatter_needs(ends):
    end, ours = ends
    try:
        raise ValueError("boom")  # noqa: TRY301 - to have one
    except ValueError:
        exc_info = sys.exc_info()
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.ERROR, "shop.py", 7, "it %s", ("broke",), exc_info, "fetch", {"item": object}
    )
    LogToManager(end).handle(record)
    (logged,) = next_of(ours)
    assert (logged.name, logged.level) == ("shop", logging.ERROR)
    fields = logged.fields
    assert (fields["msg"], fields["lineno"], fields["funcName"]) == ("it broke", 7, "fetch")
    assert "ValueError: boom" in fields["exc_text"]
    assert fields["item"] == "<class 'object'>"


def test_a_record_that_can_not_be_made_does_not_fail_the_step(ends, monkeypatch):
    end, _ = ends
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = LogToManager(end)
    handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))


def test_the_context_of_a_worker_has_what_needs_no_manager(ends):
    end, ours = ends
    ctx = WorkerContext("p", "s", 3, {}, Telling(end, 0))
    ctx.data = {"n": 1}
    assert (ctx.pid, ctx.step, ctx.attempt, ctx.idempotency_key, ctx.data) == ("p", "s", 3, "p-s", {"n": 1})
    ctx.progress(1, 2)
    assert next_of(ours) == [wire.Progressed(1, 2, "")]
    ctx.heartbeat()


def test_the_context_of_a_worker_refuses_the_rest_with_the_cure(ends):
    ctx = WorkerContext("p", "s", 1, {}, Telling(ends[0], 0))
    with pytest.raises(InvalidDefinitionError, match=r"ctx\.services .* executor='thread'"):
        _ = ctx.services
    with pytest.raises(AttributeError):
        _ = ctx.nothing_like_that
