"""Definitions as plain data: written, read back, and refused with a reason."""

from __future__ import annotations

import json

import pytest

from procactors import InvalidDefinitionError, Process, Retry, Step
from tests.behaviour.steps import echo, fail_often, note

ECHO = "tests.behaviour.steps:echo"


class Review:
    def __init__(self, name, *, db=None, limit=1):
        self.name, self.db, self.limit = name, db, limit

    async def execute(self, data):
        return {"review": self.name, "db": self.db, "limit": self.limit}


async def undo_it(data):
    return None


FULL = Process(
    "import",
    {
        "fetch": Step(
            "fetch",
            fail_often,
            timeout=30,
            heartbeat=5,
            retry=Retry(attempts=5, delay=0.5, factor=3, max_delay=9, jitter=False, on=("OSError",)),
        ),
        "review": Step(
            "review",
            Review,
            args=("Bar-name",),
            kwargs={"limit": 10},
            services=("db",),
            optional_services=("cache",),
            interrupts=True,
        ),
        "store": Step("store", echo, executor="thread", at_most_once=True, undo=undo_it),
        "plain": echo,
    },
    timeout=300,
)


def test_a_definition_survives_json():
    spec = json.loads(json.dumps(FULL.to_spec()))
    again = Process.from_spec(spec)
    assert again.to_spec() == FULL.to_spec() == spec
    assert again.names == FULL.names
    assert again.timeout == 300
    assert again.steps["fetch"].retry == FULL.steps["fetch"].retry
    assert again.steps["review"].args == ("Bar-name",)


def test_a_spec_looks_as_the_contract_says():
    spec = FULL.to_spec()
    assert list(spec) == ["name", "timeout", "steps"] or set(spec) == {"name", "timeout", "steps"}
    assert spec["steps"]["fetch"] == {
        "call": "tests.behaviour.steps:fail_often",
        "timeout": 30,
        "heartbeat": 5,
        "retry": {
            "attempts": 5,
            "delay": 0.5,
            "factor": 3,
            "max_delay": 9,
            "jitter": False,
            "on": ["OSError"],
        },
    }
    assert spec["steps"]["review"] == {
        "call": f"{__name__}:Review",
        "args": ["Bar-name"],
        "kwargs": {"limit": 10},
        "services": ["db"],
        "optional_services": ["cache"],
        "interrupts": True,
    }
    assert spec["steps"]["store"] == {
        "call": ECHO,
        "executor": "thread",
        "at_most_once": True,
        "undo": {"call": f"{__name__}:undo_it"},
    }
    assert list(spec["steps"]) == ["fetch", "review", "store", "plain"]


def test_defaults_are_left_out():
    assert Process("p", [echo]).to_spec() == {"name": "p", "steps": {"echo": {"call": ECHO}}}
    step = Step("s", echo, retry=Retry())
    assert Process("p", [step]).to_spec()["steps"]["s"] == {"call": ECHO, "retry": {}}


def test_no_timeout_is_not_the_default():
    spec = Process("p", [echo], timeout=None).to_spec()
    assert Process.from_spec(json.loads(json.dumps(spec))).timeout is None
    assert Process.from_spec({"name": "p", "steps": {"a": {"call": ECHO}}}).timeout == 60


def test_the_example_of_the_contract_is_read():
    spec = {
        "name": "import",
        "timeout": 300,
        "steps": {
            "fetch": {
                "call": "shop.steps:fetch",
                "kwargs": {"limit": 10},
                "timeout": 30,
                "retry": {"attempts": 5, "delay": 0.5, "on": ["OSError"]},
            },
            "review": {
                "call": "shop.steps:Review",
                "args": ["Bar-name"],
                "services": ["db"],
                "interrupts": True,
            },
            "store": {
                "call": "shop.steps:store",
                "executor": "process",
                "undo": {"call": "shop.steps:unstore"},
            },
        },
    }
    process = Process.from_spec(spec)
    assert process.names == ("fetch", "review", "store")
    assert process.to_spec() == spec


def test_reading_a_spec_does_not_change_it():
    spec = {"name": "p", "steps": {"a": {"call": ECHO, "args": [{"x": 1}]}}}
    before = json.dumps(spec)
    Process.from_spec(spec).to_spec()["steps"]["a"]["args"][0]["x"] = 99
    assert json.dumps(spec) == before
    process = Process.from_spec(spec)
    spec["steps"]["a"]["args"][0]["x"] = 99
    spec["steps"]["b"] = {"call": ECHO}
    assert json.dumps(process.to_spec()) == before


async def test_a_process_of_a_spec_runs_as_the_one_it_came_from(m, probe):
    probe.failures = 1
    retry = Retry(attempts=2, delay=0.1)
    process = Process("p", {"a": Step("a", fail_often, retry=retry), "b": note})
    output = await (await m.start(Process.from_spec(process.to_spec()), {"x": 1})).result()
    assert output == {"x": 1}
    assert probe.calls == [("a", 1), ("a", 2), ("b", 1)]


async def test_a_class_of_a_spec_is_built_from_args_kwargs_and_services(world):
    Process("uses it", {"s": Step("s", Review, args=("x",))})
    spec = {"call": f"{__name__}:Review", "args": ["Bar"], "kwargs": {"limit": 3}, "services": ["db"]}
    async with world.manager(services={"db": "the db"}) as m:
        handle = await m.start(Process.from_spec({"name": "p", "steps": {"s": spec}}))
        assert await handle.result() == {"review": "Bar", "db": "the db", "limit": 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"call": None}, ["fetch", "call"]),
        ({"call": 7}, ["fetch", "call"]),
        ({"call": ""}, ["fetch", "call"]),
        ({"timeout": -1}, ["fetch", "timeout", "-1"]),
        ({"timeout": 0}, ["fetch", "timeout"]),
        ({"timeout": "soon"}, ["fetch", "timeout"]),
        ({"timeout": True}, ["fetch", "timeout"]),
        ({"heartbeat": -2}, ["fetch", "heartbeat"]),
        ({"retry": {"attempts": 0}}, ["fetch", "retry", "attempts"]),
        ({"retry": {"attempts": "many"}}, ["fetch", "retry", "attempts"]),
        ({"retry": {"tries": 3}}, ["fetch", "retry", "tries"]),
        ({"retry": 3}, ["fetch", "retry"]),
        ({"retry": {"on": "OSError"}}, ["fetch", "retry", "on"]),
        ({"executor": "moon"}, ["fetch", "executor", "moon"]),
        ({"args": "abc"}, ["fetch", "args"]),
        ({"kwargs": []}, ["fetch", "kwargs"]),
        ({"services": "db"}, ["fetch", "services"]),
        ({"services": [7]}, ["fetch", "services"]),
        ({"interrupts": "yes"}, ["fetch", "interrupts"]),
        ({"at_most_once": True, "retry": {"attempts": 3}}, ["fetch", "at_most_once", "retry"]),
        ({"undo": 7}, ["fetch", "undo"]),
        ({"undo": {"call": 7}}, ["fetch", "undo"]),
        ({"timeuot": 3}, ["fetch", "timeuot"]),
        ({"name": "other"}, ["fetch", "name"]),
    ],
)
def test_a_bad_step_of_a_spec_is_named_with_its_field_and_the_reason(change, words):
    spec = {"name": "import", "steps": {"before": {"call": ECHO}, "fetch": {"call": ECHO} | change}}
    with pytest.raises(InvalidDefinitionError) as caught:
        Process.from_spec(spec)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({}, "name"),
        ({"name": "p"}, "steps"),
        ({"steps": {"a": {"call": ECHO}}}, "name"),
        ({"name": "", "steps": {"a": {"call": ECHO}}}, "name"),
        ({"name": 7, "steps": {"a": {"call": ECHO}}}, "name"),
        ({"name": "p", "steps": {}}, "step"),
        ({"name": "p", "steps": []}, "step"),
        ({"name": "p", "steps": {"a": {}}}, "call"),
        ({"name": "p", "steps": {"a": 7}}, "a"),
        ({"name": "p", "steps": {"": {"call": ECHO}}}, "name"),
        ({"name": "p", "steps": {"a": {"call": ECHO}}, "timeout": -1}, "timeout"),
        ({"name": "p", "steps": {"a": {"call": ECHO}}, "timeout": "soon"}, "timeout"),
        ({"name": "p", "steps": {"a": {"call": ECHO}}, "color": "red"}, "color"),
        ([], "mapping"),
        (None, "mapping"),
        ("p", "mapping"),
    ],
)
def test_a_bad_spec_is_refused_with_a_reason(spec, word):
    with pytest.raises(InvalidDefinitionError) as caught:
        Process.from_spec(spec)
    assert word in str(caught.value)


def test_a_step_of_a_spec_may_be_the_bare_reference():
    """A dict of name to callable, class or Step: in plain data a callable is its reference."""
    try:
        process = Process.from_spec({"name": "p", "steps": {"a": ECHO}})
    except InvalidDefinitionError:
        return
    assert process.to_spec()["steps"]["a"] == {"call": ECHO}


def test_at_most_once_with_retry_is_refused():
    with pytest.raises(InvalidDefinitionError, match="at_most_once"):
        Step("s", echo, at_most_once=True, retry=Retry(attempts=2))


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(InvalidDefinitionError, match="name"):
        Process(name, [echo])
    with pytest.raises(InvalidDefinitionError, match="name"):
        Step(name, echo)


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": (object(),)},
        {"kwargs": {"x": object()}},
        {"kwargs": {"x": float("nan")}},
        {"executor": "moon"},
        {"services": ("a", "a")},
        {"services": "db"},
        {"kwargs": {7: 1}},
        {"kwargs": {"db": 1}, "services": ("db",)},
    ],
)
def test_a_step_that_could_not_be_stored_or_called_is_refused_at_construction(wrong):
    with pytest.raises(InvalidDefinitionError):
        Step("s", echo, **wrong)


def test_definitions_are_immutable():
    process = Process("p", [echo])
    with pytest.raises((AttributeError, TypeError)):
        process.name = "q"
    with pytest.raises((AttributeError, TypeError)):
        process.steps["b"] = Step("b", echo)
    with pytest.raises((AttributeError, TypeError)):
        process.steps["echo"].timeout = 3
