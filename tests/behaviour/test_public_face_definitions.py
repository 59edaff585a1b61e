"""What is wrong with a definition is refused where it is written, by step, field and reason."""

from __future__ import annotations

import json

import pytest

from procactors import (
    Fatal,
    InvalidDefinitionError,
    Process,
    Retry,
    Step,
    run_steps,
    step,
)
from tests.behaviour.steps import echo

P = Process("p", [echo])


async def one_more(data):
    return {**data, "more": data.get("more", 0) + 1}


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "60", True, float("inf")])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(InvalidDefinitionError) as caught:
        Process("p", [echo], timeout=timeout)
    assert "timeout" in str(caught.value)
    with pytest.raises(InvalidDefinitionError) as caught:
        Step("named", echo, timeout=timeout)
    assert "timeout" in str(caught.value)
    assert "named" in str(caught.value)
    with pytest.raises(InvalidDefinitionError) as caught:
        Step("named", echo, heartbeat=timeout)
    assert "heartbeat" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": 7},
        {"args": "text"},
        {"args": (object(),)},
        {"kwargs": [1]},
        {"kwargs": {1: 2}},
        {"kwargs": {"a": object()}},
        {"services": "db"},
        {"services": [1]},
        {"optional_services": "db"},
        {"retry": 3},
        {"retry": {"attempts": 3}},
        {"executor": "wrong"},
        {"executor": None},
        {"interrupts": "yes"},
        {"at_most_once": 1.5},
        {"undo": 7},
        {"undo": lambda data: data},
        {"undo": "no:reference:"},
    ],
)
def test_a_wrong_argument_of_a_step_is_refused_and_named(wrong):
    with pytest.raises(InvalidDefinitionError) as caught:
        Step("named", echo, **wrong)
    assert "named" in str(caught.value)
    assert next(iter(wrong)) in str(caught.value)


@pytest.mark.parametrize(
    "steps", [(), {}, [], None, 7, "text", [None], [[echo]], {"a": None}, {"": echo}, {1: echo}]
)
def test_steps_that_are_none_are_refused(steps):
    with pytest.raises(InvalidDefinitionError):
        Process("p", steps)


def test_two_steps_of_a_name_are_refused_and_named():
    with pytest.raises(InvalidDefinitionError) as caught:
        Process("p", [echo, echo])
    assert "echo" in str(caught.value)
    with pytest.raises(InvalidDefinitionError) as caught:
        Process("p", {"a": Step("b", echo)})
    assert "a" in str(caught.value)
    assert "b" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 1.5},
        {"attempts": True},
        {"delay": -1},
        {"delay": float("nan")},
        {"factor": 0},
        {"factor": -1},
        {"max_delay": -1},
        {"on": "OSError"},
        {"on": ("",)},
    ],
)
def test_a_wrong_retry_is_refused_and_named(wrong):
    with pytest.raises(InvalidDefinitionError, match=next(iter(wrong))):
        Retry(**wrong)


EXAMPLE = {
    "name": "import",
    "timeout": 300,
    "steps": {
        "fetch": {
            "call": "tests.behaviour.steps:echo",
            "kwargs": {"limit": 10},
            "timeout": 30,
            "retry": {"attempts": 5, "delay": 0.5, "on": ["OSError"]},
        },
        "review": {
            "call": "tests.behaviour.test_public_face_definitions:Review",
            "args": ["Bar"],
            "services": ["db"],
            "interrupts": True,
        },
        "store": {
            "call": "tests.behaviour.steps:grow",
            "at_most_once": True,
            "heartbeat": 3,
            "executor": "thread",
            "optional_services": ["x"],
            "undo": {"call": "tests.behaviour.steps:note", "timeout": 4},
        },
    },
}


class Review:
    def __init__(self, name, db):
        self.name = name

    def execute(self, data):
        return data


def test_every_field_of_a_spec_survives():
    process = Process.from_spec(json.loads(json.dumps(EXAMPLE)))
    assert process.to_spec() == EXAMPLE
    assert Process.from_spec(process.to_spec()) == process
    assert (process.name, process.timeout) == ("import", 300)
    assert json.loads(json.dumps(process.to_spec())) == EXAMPLE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("call", 7),
        ("call", ""),
        ("call", "os:system:x"),
        ("call", ":f"),
        ("call", "m:"),
        ("call", "m:a b"),
        ("kwargs", []),
        ("args", {}),
        ("timeout", 0),
        ("timeout", "30"),
        ("heartbeat", -1),
        ("retry", 3),
        ("retry", {"attempts": 0}),
        ("retry", {"tries": 1}),
        ("services", "db"),
        ("services", [1]),
        ("optional_services", {"a": 1}),
        ("executor", "cloud"),
        ("interrupts", "yes"),
        ("at_most_once", 1),
        ("undo", 7),
        ("undo", {}),
        ("tiemout", 3),
    ],
)
def test_a_bad_field_of_a_spec_is_named_with_its_step(field, value):
    spec = {"name": "p", "steps": {"first": {"call": "m:f", field: value}}}
    with pytest.raises(InvalidDefinitionError) as caught:
        Process.from_spec(spec)
    assert "first" in str(caught.value)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.step.partition(".")[0] == "first"


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        "text",
        {},
        {"name": "p"},
        {"steps": {"a": "m:f"}},
        {"name": "p", "steps": {}},
        {"name": "p", "steps": []},
        {"name": "", "steps": {"a": "m:f"}},
        {"name": 7, "steps": {"a": "m:f"}},
        {"name": "p", "steps": {"a": {"call": "m:f"}}, "extra": 1},
        {"name": "p", "steps": {"a": {"call": "m:f"}}, "timeout": -1},
        {"name": "p", "steps": {"a": {}}},
        {"name": "p", "steps": {"a": None}},
        {"name": "p", "steps": {1: {"call": "m:f"}}},
    ],
)
def test_a_bad_spec_is_an_invalid_definition_and_nothing_else(spec):
    with pytest.raises(InvalidDefinitionError):
        Process.from_spec(spec)


@step
async def marked(data):
    return {**data, "marked": True}


@step(name="stable.public.face")
async def named(data):
    return {**data, "named": True}


@step(name="stable.class.public.face")
class NamedClass:
    async def execute(self, data):
        return {**data, "class": True}


async def test_marked_steps_stay_what_they_are(m):
    assert await marked({}) == {"marked": True}
    assert NamedClass.__name__ == "NamedClass"
    process = Process("p", [marked, named, NamedClass])
    assert list(process.to_spec()["steps"]) == ["marked", "named", "NamedClass"]
    assert await (await m.start(process)).result() == {"marked": True, "named": True, "class": True}


@pytest.mark.parametrize("name", ["", 7, "a:b", b"a"])
def test_a_stable_name_that_is_none_is_refused(name):
    with pytest.raises(InvalidDefinitionError):
        step(name=name)(echo)


def test_a_lambda_and_a_local_function_can_not_be_marked():
    async def local(data):
        return data

    for wrong in [local, lambda data: data]:
        with pytest.raises(InvalidDefinitionError):
            Process("p", {"a": wrong})


async def test_run_steps_takes_what_a_process_takes():
    assert await run_steps({"a": one_more, "b": one_more}, {}) == {"more": 2}
    assert await run_steps([one_more]) == {"more": 1}
    with pytest.raises(Exception, match="bad"):
        await run_steps({"bad": raises}, {})


async def raises(data):
    raise Fatal("not this way")
