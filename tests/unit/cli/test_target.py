"""What `procactors run` is told to run."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from procactors.cli.failure import BadInputError
from procactors.cli.target import definition, modules_of
from procactors.errors import InvalidDefinitionError

SPEC = {"name": "shop", "steps": {"a": {"call": "shop.steps:a", "undo": "shop.back:a"}, "b": "named"}}
MODULE = """
from procactors import Process

def a(data):
    return data

PROCESS = Process("mine", [a])
NUMBER = 3

def made():
    return PROCESS

def broken():
    raise ValueError("no luck")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_spec_is_read_from_json(folder):
    (folder / "shop.json").write_text(json.dumps(SPEC), "utf-8")
    process = definition("shop.json")
    assert (process.name, list(process.steps)) == ("shop", ["a", "b"])


def test_modules_of_a_definition_are_those_of_its_steps_and_compensations(folder):
    (folder / "shop.json").write_text(json.dumps(SPEC), "utf-8")
    assert modules_of(definition("shop.json")) == ["shop.back", "shop.steps"]


def test_spec_is_read_from_yaml_or_says_what_is_missing(folder):
    (folder / "shop.yaml").write_text("name: shop\nsteps: {a: shop.steps:a}\n", "utf-8")
    if importlib.util.find_spec("yaml"):
        assert list(definition("shop.yaml").steps) == ["a"]
    else:
        with pytest.raises(BadInputError, match="pip install pyyaml"):
            definition("shop.yaml")


def test_spec_of_the_wrong_shape_is_an_invalid_definition(folder):
    (folder / "shop.json").write_text('{"name": "x", "steps": {"a": {"cal": "y"}}}', "utf-8")
    with pytest.raises(InvalidDefinitionError, match="step 'a'"):
        definition("shop.json")


@pytest.mark.parametrize("name", ["PROCESS", "made"])
def test_definition_is_found_in_the_current_directory(folder, name):
    (folder / "mine_here.py").write_text(MODULE, "utf-8")
    assert definition(f"mine_here:{name}").name == "mine"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("mine_bad", "neither a spec"),
        ("mine_bad:", "neither a spec"),
        (":PROCESS", "neither a spec"),
        ("gone.json", "no file gone.json"),
        ("not_there:PROCESS", "no module 'not_there'"),
        ("mine_bad:NUMBER", "the module has PROCESS"),
        ("mine_bad:gone", "the module has PROCESS"),
        ("mine_bad:broken", r"ValueError: no luck \(mine_bad.py, line 14\)"),
        ("raising:x", r"ZeroDivisionError: division by zero \(raising.py, line 1\)"),
        ("needing:x", "No module named 'somewhere_else'"),
    ],
)
def test_target_that_can_not_be_run_is_refused(folder, target, reason):
    (folder / "mine_bad.py").write_text(MODULE, "utf-8")
    (folder / "raising.py").write_text("1 / 0", "utf-8")
    (folder / "needing.py").write_text("import somewhere_else", "utf-8")
    with pytest.raises(BadInputError, match=reason):
        definition(target)
