"""The house rules that no other tool checks: sizes, exports, docstrings, names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "procactors"
FILES = sorted(SOURCE.rglob("*.py"))

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FILES_OVER_300_MAX = 0.1  # of all files
BANNED_FILE_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py", "base.py"}
PUBLIC_PACKAGES = [
    "procactors",
    "procactors.actors",
    "procactors.deferred",
    "procactors.errors",
    "procactors.testing",
]

# One word per thing: what the glossary calls otherwise.
LOSING_WORDS = {
    r"\bsavepointed\b": "checkpointed",
    r"\bworkflow id\b": "pid",
    r"\bfencing token\b": "epoch",
    r"\bpaused process\b": "interrupted process",
}


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_file_keeps_its_budget(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= FILE_LINES_MAX, f"{path.name} has {lines} lines: a new noun is missing"


def test_few_files_are_long():
    long = [p.name for p in FILES if p.read_text(encoding="utf-8").count("\n") > 300]
    assert len(long) <= FILES_OVER_300_MAX * len(FILES), long


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_function_fits_a_screen(path):
    for function in functions(parsed(path)):
        size = (function.end_lineno or function.lineno) - function.lineno + 1
        docstring = ast.get_docstring(function) or ""
        assert size - docstring.count("\n") <= FUNCTION_LINES_MAX, f"{function.name}: {size} lines"


def test_no_file_has_a_name_that_says_nothing():
    assert not [p for p in FILES if p.name in BANNED_FILE_NAMES]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_import_hides_in_a_function(path):
    for function in functions(parsed(path)):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                reason = path.read_text(encoding="utf-8").splitlines()[node.lineno - 1]
                assert "PLC0415" in reason, f"{function.name} imports without saying why"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_words_are_those_of_the_glossary(path):
    text = path.read_text(encoding="utf-8")
    for loser, winner in LOSING_WORDS.items():
        assert not re.search(loser, text, re.IGNORECASE), f"say {winner!r}"


def public_names():
    for package in PUBLIC_PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]:
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "") or ""
            if home.startswith("procactors") and (inspect.isclass(thing) or inspect.isfunction(thing)):
                yield pytest.param(thing, id=f"{package}.{name}")


def own_members(thing):
    for name, member in vars(thing).items():
        if name[0] == "_" or isinstance(member, type):
            continue
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if inspect.isfunction(function):
            yield name, function


@pytest.mark.parametrize("thing", list(public_names()))
def test_public_face_is_documented(thing):
    assert inspect.getdoc(thing), thing
    if inspect.isclass(thing):
        for name, function in own_members(thing):
            assert function.__doc__, f"{thing.__name__}.{name} has no docstring"


@pytest.mark.parametrize("thing", list(public_names()))
def test_public_coroutines_say_what_cancellation_does(thing):
    members = own_members(thing) if inspect.isclass(thing) else [(thing.__name__, thing)]
    overridable = {"on_start", "on_stop", "receive"}  # the actor's own, called by its cell
    for name, function in members:
        if inspect.iscoroutinefunction(function) and name not in overridable:
            assert "Cancellation:" in (function.__doc__ or ""), f"{thing}.{name}"
