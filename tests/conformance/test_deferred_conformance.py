"""The recorded traces of MediaWiki's deferred updates, and the runner that compares them."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.conformance.deferred import __main__ as runner
from tests.conformance.deferred import _kinds, _scenario
from tests.conformance.deferred._cases import chosen, difference
from tests.conformance.deferred._scenario import Scenario

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
CASES = [
    json.loads(line)
    for path in sorted((FOLDER / "cases" / "deferred").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
BARE = [case for case in CASES if not case["db"]]


def by_name(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", by_name(CASES))
def test_trace_is_that_of_mediawiki(case):
    assert runner.failure_of(case) is None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cases_without_databases_need_no_model_of_databases(backend, monkeypatch):
    monkeypatch.delitem(sys.modules, "tests.conformance.deferred._factory")
    monkeypatch.delitem(sys.modules, "tests.conformance.deferred._handle")
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    with pytest.raises(ImportError):
        __import__("tests.conformance.deferred._factory")

    async def differences():
        return [difference(case["trace"], await Scenario(case).play()) for case in BARE]

    assert anyio.run(differences, backend=backend) == [None] * len(BARE)


def test_updates_that_never_wait_do_the_same(monkeypatch):
    started = []

    def plain(function):
        def run(*args):
            started.append(Begun(function(*args)))
            return started[-1].begin()

        return run

    for cls, name in ((_kinds.Body, "__call__"), (_kinds._Own, "run"), (_kinds.Mergeable, "run")):
        monkeypatch.setattr(cls, name, plain(getattr(cls, name)))

    async def differences():
        return [difference(case["trace"], await Scenario(case).play()) for case in BARE]

    assert anyio.run(differences) == [None] * len(BARE)
    assert sum(begun.is_over for begun in started) > len(started) / 2


class Begun:
    """A coroutine that runs at once as far as it need not wait, as a plain function would."""

    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.is_over = True

    def begin(self):
        """Run it; return what is left to be awaited, None if nothing is."""
        try:
            self.waits_for = self.coroutine.send(None)
        except StopIteration:
            return None
        self.is_over = False
        return self

    def __await__(self):
        try:
            while True:
                self.waits_for = self.coroutine.send((yield self.waits_for))
        except StopIteration:
            return


class Refusing:
    """Lets nobody import the model of databases."""

    @staticmethod
    def find_spec(name, *_):
        if name.endswith(("._factory", "._handle")):
            raise ImportError(name)


def test_adapter_imports_public_names_only():
    for path in sorted((FOLDER / "deferred").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("procactors"):
                assert node.module in {"procactors.deferred", "procactors.errors"}
                assert not [alias.name for alias in node.names if alias.name.startswith("_")]


class TestComparison:
    def test_equal_traces_have_no_difference(self):
        assert difference([{"e": "note", "v": 1}], [{"e": "note", "v": 1}]) is None

    def test_first_difference_is_told(self):
        found = difference([{"e": "do"}, {"e": "done"}], [{"e": "do"}, {"e": "note"}])
        assert found == 'event 1: expected {"e": "done"}, found {"e": "note"}'

    def test_trace_that_is_too_short_or_too_long_differs(self):
        assert 'found "nothing"' in difference([{"e": "do"}], [])
        assert 'expected "nothing"' in difference([], [{"e": "do"}])

    def test_class_is_not_compared_and_the_message_only_where_it_names_the_update(self):
        theirs = {"e": "err", "class": "LogicException", "code": "recursion-not-aware", "msg": "theirs"}
        ours = {"e": "err", "class": "Error", "code": "recursion-not-aware", "msg": "ours"}
        assert difference([theirs], [ours]) is None
        assert difference([{**theirs, "code": "boom"}], [{**ours, "code": "boom"}]) is not None

    def test_tags_choose(self):
        cases = [{"tags": ["a"]}, {"tags": ["a", "b"]}, {}]
        assert list(chosen(cases, [], [])) == cases
        assert list(chosen(cases, ["a"], ["b"])) == [{"tags": ["a"]}]

    def test_errors_that_traces_do_not_know_are_others(self):
        assert _scenario.code_of(KeyError()) == "other"


def test_command_prints_differences_and_counts(tmp_path):
    good = BARE[0]
    other = next(case for case in BARE if not set(case["tags"]) & set(good["tags"]))
    bad = {**other, "name": "spoiled", "trace": other["trace"][1:]}
    odd = {"name": "odd", "tags": other["tags"], "ops": [], "trace": [], "db": False}
    file = tmp_path / "cases.jsonl"
    file.write_text("\n\n".join(json.dumps(case) for case in (good, bad, odd)), encoding="utf-8")
    command = [sys.executable, "-m", "tests.conformance.deferred"]
    found = subprocess.run([*command, str(file)], capture_output=True, text=True, cwd=ROOT, check=False)
    lines = found.stdout.splitlines()
    assert lines[0].startswith("spoiled: event 0: expected ")
    assert lines[1] == "odd: it ended with KeyError('mode')"
    assert lines[-1] == "1 passed, 2 failed"
    assert found.returncode == 1
    chosen_tag = [*command, "--tag", good["tags"][0], "--not-tag", bad["tags"][0], str(file)]
    found = subprocess.run(chosen_tag, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (found.stdout, found.returncode) == ("1 passed, 0 failed\n", 0)
