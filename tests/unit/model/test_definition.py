from __future__ import annotations

import pytest

from procactors import Each, InvalidDefinitionError, Process, Step

STEPS = {"a": "shop.steps:render"}


def test_environment_and_arguments_are_in_the_spec():
    process = Process("p", STEPS, env={"SHOP": "a=b", "EMPTY": ""}, argv=["--wiki", "cook book"])
    spec = process.to_spec()
    assert (spec["env"], spec["argv"]) == ({"SHOP": "a=b", "EMPTY": ""}, ["--wiki", "cook book"])
    assert Process.from_spec(spec) == process
    assert "env" not in Process("p", STEPS).to_spec()


def test_an_environment_changed_by_its_giver_afterwards_does_not_matter():
    env, argv = {"SHOP": "a"}, ["--wiki"]
    process = Process("p", STEPS, env=env, argv=argv)
    env["SHOP"] = "b"
    argv.append("more")
    assert (process.env, process.argv) == ({"SHOP": "a"}, ("--wiki",))


@pytest.mark.parametrize("env", [["A=b"], {"A": 1}, {1: "a"}, {"": "a"}, {"A=": "b"}, {"A": "b\0"}])
def test_an_environment_that_can_not_be_is_refused(env):
    with pytest.raises(InvalidDefinitionError, match=r"process 'p': env"):
        Process("p", STEPS, env=env)


@pytest.mark.parametrize("argv", ["--wiki", [1], ["a\0"], 7])
def test_arguments_that_can_not_be_are_refused(argv):
    with pytest.raises(InvalidDefinitionError, match=r"process 'p': argv"):
        Process("p", STEPS, argv=argv)


@pytest.mark.parametrize("field", [{"env": {"A": 1}}, {"argv": "--wiki"}])
def test_a_spec_with_wrong_ones_names_the_field(field):
    with pytest.raises(InvalidDefinitionError, match=next(iter(field))):
        Process.from_spec({"name": "p", "steps": STEPS, **field})


def test_a_definition_does_not_change():
    process = Process("p", STEPS)
    with pytest.raises(AttributeError, match="make another one with name='q'"):
        process.name = "q"
    with pytest.raises(AttributeError, match="'name' can't be deleted"):
        del process.name
    assert process == Process("p", STEPS)


def test_a_definition_shows_what_it_is():
    each = Each(Step("one", "shop.steps:render"), over="items", limit=2)
    assert repr(Process("p", {"a": each}, timeout=5)) == "Process('p', steps=['a'], timeout=5)"
    assert repr(each) == "Each('one', over='items', limit=2)"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"call": "shop.steps:render", "retry": {"attempts": 0}}, r"step 'a'.*'retry'.*attempts"),
        (
            {"parallel": ["shop.steps:render"]},
            r"step 'a', field 'parallel': must be a mapping of name to step",
        ),
    ],
)
def test_a_spec_with_a_wrong_step_names_the_field(step, reason):
    with pytest.raises(InvalidDefinitionError, match=reason):
        Process.from_spec({"name": "p", "steps": {"a": step}})
