from __future__ import annotations

import pytest

from procactors.errors import ErrorInfo
from procactors.executors import wire
from procactors.executors.failure import Failure
from procactors.model.interrupt import Question

RUN = wire.Run(
    reference="shop:fetch", args=b"[]", kwargs=b"{}", data=b'{"n":1}', pid="p", step="s", attempt=2,
    interrupts=True, limit_bytes=10, progress_every_s=0.1, levels={"": 30},
)  # fmt: skip
REPORTS = [
    wire.Begun(),
    wire.Beat(),
    wire.Progressed(1.5, None, "ä"),
    wire.Logged("shop", 30, {"msg": "hi", "lineno": 3}),
    wire.Done(b"null", Question(schema={"type": "object"}, timeout=3, on_timeout=b"1")),
    wire.Broke(Failure(ErrorInfo(type="E", cause=ErrorInfo(type="F")), frozenset({"E"}), 2.0)),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_messages_come_out_whole_whatever_the_pieces(size):
    stream = b"".join(wire.framed(report) for report in REPORTS)
    frames = wire.Frames()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [wire.read_report(body) for piece in pieces for body in frames.feed(piece)] == REPORTS


@pytest.mark.parametrize("order", [wire.Hello(["/a"], None, 0), RUN])
def test_orders_are_read_as_they_were_written(order):
    (body,) = wire.Frames().feed(wire.framed(order))
    assert wire.read_order(body) == order


def test_half_a_message_is_kept_for_later():
    frame = wire.framed(wire.Begun())
    frames = wire.Frames()
    assert list(frames.feed(frame[:-1])) == []
    assert len(list(frames.feed(frame[-1:]))) == 1


def test_what_can_not_be_packed_is_shown():
    (body,) = wire.Frames().feed(wire.framed(wire.Logged("shop", 30, {"it": object})))
    assert wire.read_report(body).fields == {"it": "<class 'object'>"}
