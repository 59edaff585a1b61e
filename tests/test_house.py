"""The house rules that no other tool checks: sizes, exports, docstrings, names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

import procactors
from procactors import errors

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "procactors"
FILES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PATHS = {"argvalues": FILES, "ids": [str(path.relative_to(SOURCE)) for path in FILES]}

FILE_LINES_MAX = 400
FILES_OVER_300_MAX = 0.1  # of all files
FUNCTION_LINES_MAX = 60
FUNCTIONS_OVER_40_MAX = 0.01  # of all functions
NESTING_MAX = 4
NESTED_OVER_3_MAX = 0.01  # of all functions

BANNED_FILE_NAME = re.compile(r"(?:.*_)?(?:utils?|helpers?|common|misc|base|stuff|tools?|shared_code)")
BANNED_NAME = re.compile(r"tmp|temp|foo|data\d+|obj|res|ret|val")
NEGATED_NAME = re.compile(
    r"_*(?:is_|has_|can_)?(?:not|no|non|isnt|cannot)_.+|(?:is|has|can)_un(?:finished|done|ended)"
)

PUBLIC_PACKAGES = [
    "procactors",
    "procactors.actors",
    "procactors.deferred",
    "procactors.web",
    "procactors.errors",
    "procactors.otel",
    "procactors.cron",
    "procactors.testing",
]
PUBLIC_NAMES = [
    "ProcessManager",
    "ProcessHandle",
    "Process",
    "Step",
    "StepContext",
    "step",
    "run_steps",
    "Interrupt",
    "Retry",
    "ProcessInfo",
    "ProcessStatus",
    "StepStatus",
    "ProcessEvent",
    "Plugin",
    "ManagerOptions",
    "Fatal",
    "RetryAfter",
    "EventStream",
    "Observer",
    "Sleep",
    "Parallel",
    "Each",
]

# One word per thing: what the glossary calls otherwise. A place is where the word means something else.
LOSING_WORDS = {
    r"save ?points?": (
        "checkpoint",
        [
            "deferred/",
            "guides/deferred.md",
            "test_",
            "errors.md",
            "stores/_guest.py",
            "_on_sqlite.py",
            "_on_postgres.py",
        ],
    ),
    r"(?:pause|pausing|paused) (?:the|a|this|its|every) process": ("interrupt", []),
    r"process (?:is|was|gets|are) paused|paused process(?:es)?": ("interrupt", []),
    r"workflows?": ("process", ["why.md", "comparison.md", "README.md"]),
    r"(?:process|workflow|run|job) ids?": ("pid", []),
    r"fencing tokens?|generation numbers?": ("epoch", []),
    r"lock (?:holder|owner)|leader": ("owner", []),
    r"event (?:log|messages?)|log entr(?:y|ies)|audit log": ("event, history", []),
    r"activit(?:y|ies)": ("step", ["why.md"]),
    r"un(?:pause|suspend)|resume signal": ("proceed", []),
    r"actor (?:handle|address|proxy)": ("ref", []),
    r"inbox(?:es)?": ("mailbox", []),
}


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_in(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


ALL_FUNCTIONS = [(path, function) for path in FILES for function in functions_in(parsed(path))]


# Sizes.


def lines_of(path):
    return path.read_text(encoding="utf-8").count("\n")


def size_of(function):
    size = (function.end_lineno or function.lineno) - function.lineno + 1
    return size - (ast.get_docstring(function) or "").count("\n")


BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def depth_of(node, depth=0):
    """Return how deep blocks are nested below a node; an `elif` is as deep as its `if`."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, SCOPES):
            continue
        is_elif = isinstance(child, ast.If) and isinstance(node, ast.If) and node.orelse == [child]
        deepest = max(deepest, depth_of(child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest


@pytest.mark.parametrize("path", **PATHS)
def test_file_keeps_its_budget(path):
    assert lines_of(path) <= FILE_LINES_MAX, f"{path.name} is too long: a new noun is missing"


def test_few_files_are_long():
    long = [path.name for path in FILES if lines_of(path) > 300]
    assert len(long) <= FILES_OVER_300_MAX * len(FILES), long


def test_functions_fit_a_screen():
    sizes = {f"{path.name}:{function.name}": size_of(function) for path, function in ALL_FUNCTIONS}
    assert not {name for name, size in sizes.items() if size > FUNCTION_LINES_MAX}
    long = {name for name, size in sizes.items() if size > 40}
    assert len(long) <= FUNCTIONS_OVER_40_MAX * len(ALL_FUNCTIONS), long


def test_blocks_are_not_deeply_nested():
    depths = {f"{path.name}:{function.name}": depth_of(function) for path, function in ALL_FUNCTIONS}
    assert not {name for name, depth in depths.items() if depth > NESTING_MAX}
    deep = {name for name, depth in depths.items() if depth > 3}
    assert len(deep) <= NESTED_OVER_3_MAX * len(ALL_FUNCTIONS), deep


# Names.


def names_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("path", **PATHS)
def test_names_say_something(path):
    assert not BANNED_FILE_NAME.fullmatch(path.stem.strip("_")), path
    found = {name for name in names_in(parsed(path)) if BANNED_NAME.fullmatch(name)}
    negated = {name for name in names_in(parsed(path)) if NEGATED_NAME.fullmatch(name)}
    assert not found | negated


def test_actors_of_the_engine_are_called_actors():
    for path in SOURCE.glob("engine/*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and any("Actor[" in ast.unparse(base) for base in node.bases):
                assert node.name.endswith("Actor"), f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", [*FILES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_words_are_those_of_the_glossary(path):
    text = path.read_text(encoding="utf-8")
    for loser, (winner, places) in LOSING_WORDS.items():
        if path.name == "glossary.md" or any(place in path.as_posix() for place in places):
            continue
        found = re.search(rf"\b(?:{loser})\b", text, re.IGNORECASE)
        assert not found, f"{found[0]!r}: say {winner!r}"


# Imports and exports.


@pytest.mark.parametrize("path", **PATHS)
def test_no_import_hides_in_a_function(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for function in functions_in(parsed(path)):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "PLC0415" in lines[node.lineno - 1], f"{function.name} imports without saying why"


def imports_in(body):
    """Return what a package imports, in both branches of what only the type checker sees."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imports_in([*node.body, *node.orelse])
        elif ast.unparse(node) != "from typing import TYPE_CHECKING":
            yield node


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=lambda p: p.parent.name)
def test_packages_only_hand_on(path):
    docstring, *rest = parsed(path).body
    assert isinstance(docstring, ast.Expr)
    for node in imports_in(rest):
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        assert all(name.asname == name.name for name in node.names), ast.unparse(node)


def test_the_root_hands_on_later_what_the_type_checker_sees():
    seen = {name.name for node in imports_in(parsed(SOURCE / "__init__.py").body[1:]) for name in node.names}
    assert {name for name in dir(procactors) if name[0] != "_"} >= {name for name in seen if name[0] != "_"}
    assert all(hasattr(procactors, name) for name in seen | set(procactors._later._HOMES))
    assert set(procactors._later._HOMES) <= seen


def test_the_root_has_the_whole_public_face():
    assert not [name for name in PUBLIC_NAMES if not hasattr(procactors, name)]
    raised = {name for name, thing in vars(errors).items() if inspect.isclass(thing) and name[0] != "_"}
    assert not [name for name in raised if getattr(procactors, name, None) is not getattr(errors, name)]
    kinds = get_args(procactors.ProcessEvent)
    assert not [kind for kind in kinds if getattr(procactors, kind.__name__, None) is not kind]


def test_errors_have_one_root_and_a_cure():
    for thing in vars(errors).values():
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            assert issubclass(thing, errors.ProcactorsError)
            assert (thing.__doc__ or "").partition("\n")[0].endswith((".", ";", ":"))


# Docstrings.


def public_things():
    for package in PUBLIC_PACKAGES:
        module = importlib.import_module(package)
        for name in dir(module):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "") or ""
            is_ours = home.startswith("procactors") and (inspect.isclass(thing) or inspect.isfunction(thing))
            if name[0] != "_" and is_ours:
                yield pytest.param(thing, id=f"{package}.{name}")


PUBLIC_THINGS = list(public_things())


def functions_of(thing):
    """Return a public function, or a class's public methods and properties, by name; inherited ones too."""
    members = {thing.__name__: thing} if inspect.isfunction(thing) else {}
    for home in reversed(thing.__mro__ if inspect.isclass(thing) else ()):
        if home.__module__.startswith("procactors"):
            members |= vars(home)
    for name, member in members.items():
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if name[0] != "_" and inspect.isfunction(function):
            yield name, function


@pytest.mark.parametrize("thing", PUBLIC_THINGS)
def test_public_face_is_documented(thing):
    assert inspect.getdoc(thing), thing
    for name, function in functions_of(thing):
        assert function.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("thing", PUBLIC_THINGS)
def test_public_coroutines_say_what_cancellation_does(thing):
    hooks = {"on_start", "on_stop", "receive"}  # the actor's own, called by its cell
    for name, function in functions_of(thing):
        if inspect.iscoroutinefunction(function) and name not in hooks:
            assert "Cancellation:" in (function.__doc__ or ""), name


@pytest.mark.parametrize("thing", [param for param in PUBLIC_THINGS if param.id.count(".") == 1])
def test_public_calls_say_what_each_parameter_is(thing):
    for name, function in functions_of(thing):
        said = function.__doc__ or ""
        if "see `" in said:
            continue
        parameters = [p for p in inspect.signature(function).parameters if p not in {"self", "cls"}]
        assert not [p for p in parameters if p[0] != "_" and not re.search(rf"\b{p}\b", said)], name
