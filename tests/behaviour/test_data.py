"""Data on its way: validated, encoded, limited, and never shared with anybody."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

import attrs
import msgspec
import pytest

from procactors import (
    InvalidDataError,
    ManagerOptions,
    PayloadTooLargeError,
    Process,
    ProcessFailedError,
    Retry,
    Step,
)
from tests.behaviour.history import history, only
from tests.behaviour.steps import ask, echo, gated

LIMIT = 1000
SELF_CONTAINING: list = []
SELF_CONTAINING.append(SELF_CONTAINING)
DEEP: list = []
for _ in range(5000):
    DEEP = [DEEP]


class OrderStruct(msgspec.Struct):
    number: int
    note: str = "none"


@dataclasses.dataclass
class OrderDataclass:
    number: int
    note: str = "none"


class OrderDict(TypedDict):
    number: int


@attrs.define
class OrderAttrs:
    number: int
    note: str = "none"


async def takes_struct(order: OrderStruct):
    assert type(order) is OrderStruct
    return {"number": order.number + 1}


async def takes_dataclass(order: OrderDataclass):
    assert type(order) is OrderDataclass
    return {"number": order.number + 1}


async def takes_typed_dict(order: OrderDict):
    assert type(order) is dict
    return {"number": order["number"] + 1}


async def takes_attrs(order: OrderAttrs):
    assert type(order) is OrderAttrs
    return {"number": order.number + 1}


def plain_takes_struct(order: OrderStruct, ctx):
    assert type(order) is OrderStruct
    return {"number": order.number + 1}


class Taker:
    async def execute(self, order: OrderStruct):
        assert type(order) is OrderStruct
        return {"number": order.number + 1}


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


async def returns_what_was_asked(data):
    return WRONG[data["wrong"]]


async def spoils_its_data(data, ctx):
    probe = ctx.services["probe"]
    probe.seen.append({"list": list(data["list"])})
    data["list"].append("spoilt")
    ctx.data["list"].append("spoilt, too")
    if probe.failures:
        probe.failures -= 1
        raise OSError("again")
    return data


async def keeps_its_output(data, ctx):
    output = {"list": [1]}
    ctx.services["probe"].seen.append(output)
    return output


async def spoils_the_kept_output(data, ctx):
    ctx.services["probe"].seen[0]["list"].append("spoilt")
    return data


async def returns_big(data):
    return "x" * data["n"]


async def returns_struct(data):
    return OrderStruct(number=1)


async def returns_dataclass(data):
    return OrderDataclass(number=1)


WRONG = {
    "object": {"field": object()},
    "nan": {"field": float("nan")},
    "infinity": {"field": [1, float("inf")]},
    "surrogate": {"field": "\ud800"},
    "self-containing": {"field": SELF_CONTAINING},
    "function": {"field": echo},
    "exception": {"field": ValueError("x")},
    "unprintable": {"field": Unprintable()},
    "deep": {"field": DEEP},
}
TAKERS = [takes_struct, takes_dataclass, takes_typed_dict, takes_attrs, plain_takes_struct, Taker]


@pytest.mark.parametrize("taker", TAKERS)
async def test_a_typed_first_parameter_gets_its_type(m, taker):
    assert await (await m.start(Process("p", {"s": taker}), {"number": 1})).result() == {"number": 2}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("data", [{"number": "many"}, {}, []])
async def test_data_that_does_not_fit_the_type_fails_the_step(m, taker, data):
    handle = await m.start(Process("p", {"s": taker}), data)
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.step == "s"
    assert caught.value.error.type == "InvalidDataError"
    assert (await handle.info()).status == "failed"


async def test_an_error_of_typed_data_names_the_field(m):
    handle = await m.start(Process("p", {"s": takes_struct}), {"number": "many"})
    with pytest.raises(ProcessFailedError, match="number"):
        await handle.result()


@pytest.mark.parametrize("returns", [returns_struct, returns_dataclass])
async def test_structs_and_dataclasses_may_be_returned(m, returns):
    handle = await m.start(Process("p", {"a": returns, "b": takes_struct}))
    assert await handle.result() == {"number": 2}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_output_that_json_cannot_hold_fails_the_process_and_names_the_step(m, wrong):
    handle = await m.start(Process("p", {"maker": returns_what_was_asked, "next": echo}), {"wrong": wrong})
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.step == "maker"
    assert "maker" in str(caught.value)
    info = await handle.info()
    assert info.status == "failed"
    assert info.error.step == "maker"
    assert info.error.attempt == 1
    assert info.steps["next"] == "pending"


@pytest.mark.parametrize("wrong", ["object", "nan", "infinity", "function", "exception"])
async def test_an_output_that_json_cannot_hold_is_named_by_its_field(m, wrong):
    handle = await m.start(Process("p", {"maker": returns_what_was_asked}), {"wrong": wrong})
    with pytest.raises(ProcessFailedError, match="field"):
        await handle.result()


async def test_an_output_that_json_cannot_hold_is_not_retried_for_ever(m):
    step = Step("s", returns_what_was_asked, retry=Retry(attempts=3, delay=0.1, jitter=False))
    handle = await m.start(Process("p", [step]), {"wrong": "object"})
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert (await handle.info()).attempt <= 3


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_input_that_json_cannot_hold_is_refused(m, wrong):
    with pytest.raises(InvalidDataError):
        await m.start(Process("p", [echo]), WRONG[wrong])
    assert await m.list() == []


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, -(2**63), 2**64 - 1, 2**70, 1e300, 5e-324])
async def test_numbers_come_back_as_they_were_or_are_refused(m, number):
    try:
        handle = await m.start(Process("p", [echo]), {"n": number})
    except InvalidDataError:
        return
    output = await handle.result()
    assert output == {"n": number}
    assert type(output["n"]) is type(number)


@pytest.mark.parametrize("text", ["", "ü€😀", "nul\0", "\u2028", '"\\', "line\nline"])
async def test_texts_come_back_as_they_were(m, text):
    assert await (await m.start(Process("p", [echo]), {text: text})).result() == {text: text}


async def test_each_attempt_gets_its_data_freshly_decoded(world, probe):
    probe.failures = 2
    step = Step("s", spoils_its_data, retry=Retry(attempts=3, delay=0.1))
    async with world.manager() as m:
        handle = await m.start(Process("p", [step]), {"list": [1]})
        await handle.result()
        assert probe.seen == [{"list": [1]}] * 3
        assert (await handle.info()).steps["s"] == "completed"


async def test_an_output_changed_after_its_checkpoint_stays_what_it_was(m):
    handle = await m.start(Process("p", {"a": keeps_its_output, "b": spoils_the_kept_output, "c": echo}))
    assert await handle.result() == {"list": [1]}


async def test_data_changed_by_the_starter_afterwards_stays_what_it_was(m, probe):
    data = {"list": [1]}
    handle = await m.start(Process("p", [gated]), data)
    data["list"].append("spoilt")
    await probe.reached["gated"].wait()
    assert probe.seen == [{"list": [1]}]
    probe.gates["gated"].set()
    assert await handle.result() == {"list": [1]}


async def test_what_readers_get_is_theirs_to_change(m, probe):
    handle = await m.start(Process("p", {"a": echo, "gated": gated, "b": echo}), {"list": [1]})
    await probe.reached["gated"].wait()
    (await handle.info()).data["list"].append("spoilt")
    (await handle.info()).steps.clear()
    async with handle.subscribe() as events:
        async for event in events:
            for field in ("data", "output"):
                if getattr(event, field, None):
                    getattr(event, field)["list"].append("spoilt")
            if type(event).__name__ == "StepFinished":
                break
    probe.gates["gated"].set()
    output = await handle.result()
    assert output == {"list": [1]}
    output["list"].append("spoilt")
    assert await handle.result() == {"list": [1]}
    events = await history(m, handle.pid)
    assert [event.output for event in only(events, "StepFinished")] == [{"list": [1]}] * 3


@pytest.fixture
async def small(world):
    async with world.manager(options=ManagerOptions(payload_limit_bytes=LIMIT)) as m:
        yield m


async def test_an_input_at_the_limit_is_taken_and_one_byte_more_is_refused(small):
    handle = await small.start(Process("p", [echo]), "x" * (LIMIT - 2))
    assert await handle.result() == "x" * (LIMIT - 2)
    with pytest.raises(PayloadTooLargeError):
        await small.start(Process("p", [echo]), "x" * (LIMIT - 1))
    assert len(await small.list()) == 1


async def test_the_limit_counts_bytes(small):
    with pytest.raises(PayloadTooLargeError):
        await small.start(Process("p", [echo]), "€" * (LIMIT // 2))


async def test_an_output_beyond_the_limit_fails_the_step_and_says_what_to_do(small):
    handle = await small.start(Process("p", {"big": returns_big}), {"n": LIMIT - 2})
    assert len(await handle.result()) == LIMIT - 2
    handle = await small.start(Process("p", {"big": returns_big}), {"n": LIMIT - 1})
    with pytest.raises(ProcessFailedError, match="big") as caught:
        await handle.result()
    assert caught.value.error.type == "PayloadTooLargeError"
    assert str(LIMIT) in caught.value.error.message.replace(",", "").replace("_", "")


async def test_an_answer_beyond_the_limit_is_refused_and_the_process_stays_interrupted(small, probe):
    handle = await small.start(Process("p", [ask]))
    async with handle.subscribe() as events:
        async for event in events:
            if type(event).__name__ == "ProcessInterrupted":
                break
    with pytest.raises(PayloadTooLargeError):
        await handle.proceed({"text": "x" * LIMIT})
    assert (await handle.info()).status == "interrupted"
    await handle.proceed({"text": "short"})
    assert (await handle.result())["text"] == "short"


async def test_a_mebibyte_is_the_default_limit(m):
    assert len(await (await m.start(Process("p", [echo]), "x" * (2**20 - 2))).result()) == 2**20 - 2
    with pytest.raises(PayloadTooLargeError):
        await m.start(Process("p", [echo]), "x" * (2**20 - 1))
