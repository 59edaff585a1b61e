"""References to steps: `module:qualname`, or a stable name given by `@step(name=...)`.

What a database row names is looked up among the steps that this program has registered (by `@step`, or
by using them in a `Process`), then in the modules that the manager was told of; nothing else is ever
imported for it, and nothing is ever pickled.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MethodType
from typing import Any, TypeVar, overload

from procactors.errors import InvalidDefinitionError, StepNotResolvableError

Call = Callable[..., Any]
C = TypeVar("C", bound=Call)

_known: dict[str, Call] = {}
_stable_names: dict[int, str] = {}


@overload
def step(call: C, /) -> C: ...
@overload
def step(*, name: str | None = None) -> Callable[[C], C]: ...
def step(call: Any = None, /, *, name: str | None = None) -> Any:
    """Register a function or class as a step, so that a stored process can find it.

    Args:
        call: The function or class, when used without parentheses.
        name: A stable name instead of `module:qualname`: with it the code may move to another module
            while processes that use it are under way. Unique in the program.

    Raises:
        InvalidDefinitionError: It is a lambda, a local function or class, or the name is taken.
    """
    if call is None:
        return lambda function: step_as(function, name)
    return step_as(call, None)


def step_as(call: C, name: str | None) -> C:
    """Register `call` under `name` (None: its `module:qualname`) and return it."""
    if name is None:
        register(call)
        return call
    if not isinstance(name, str) or not name or ":" in name:
        raise InvalidDefinitionError(f"a step's stable name is text without a colon, not {name!r}")
    _check_importable(call)
    before = _known.get(name)
    if before is not None and _place(before) != _place(call):
        raise InvalidDefinitionError(f"the step name {name!r} is taken by {_place(before)}")
    _known[name] = call
    _stable_names[id(call)] = name
    return call


def register(call: Call) -> str:
    """Make `call` known and return its reference.

    Raises:
        InvalidDefinitionError: It could not be found again by a reference.
    """
    name = _stable_names.get(id(call))
    if name is not None and _known.get(name) is call:
        return name
    reference = _check_importable(call)
    _known[reference] = call
    return reference


def resolve(reference: str, modules: Sequence[str] = ()) -> Call:
    """Return what `reference` stands for.

    What a module of the program has merely imported is not its own: `shop:os.system` leads nowhere.

    Args:
        reference: A stable name, or `module:qualname`.
        modules: Names of modules and packages from which steps may be imported.

    Raises:
        StepNotResolvableError: It is not registered and not in one of the modules, or not there.
    """
    known = _known.get(reference)
    if known is not None:
        return known
    module, colon, qualname = reference.partition(":")
    if not colon or not _lies_in(module, modules):
        raise StepNotResolvableError(
            f"step reference {reference!r} is not known in this program; mark the step with @step and"
            " import its module, or name the module in ProcessManager(modules=...)"
        )
    try:
        found: Any = _walk(importlib.import_module(module), qualname)
    except (Exception, SystemExit) as error:  # the latter of a module that is a script
        raise StepNotResolvableError(f"step reference {reference!r} can't be imported: {error!r}") from error
    if not callable(found):
        raise StepNotResolvableError(f"step reference {reference!r} names a {type(found).__name__}")
    if not _lies_in(getattr(found, "__module__", None), modules):
        raise StepNotResolvableError(
            f"step reference {reference!r} leads to {_place(found)}, which lies in none of the modules that"
            " this manager was told of: mark it with @step, or name its module, too"
        )
    resolved: Call = found
    return resolved


def _lies_in(module: Any, modules: Sequence[str]) -> bool:
    return isinstance(module, str) and any(
        module == name or module.startswith(f"{name}.") for name in modules
    )


def problem_of(reference: str) -> str | None:
    """Return why a text can't be a reference; None: it can, whether it leads anywhere or not.

    Of a module nothing is asked: the main program's is its file's stem, which may be any text.
    """
    if not reference:
        return "is empty"
    module, colon, qualname = reference.partition(":")
    if colon and not (module and all(part.isidentifier() for part in qualname.split("."))):
        return f"must be 'module:qualname' or a stable name without a colon, not {reference!r}"
    return None


def module_name(module: str) -> str:
    """Return the name under which a module can be found again.

    The main program is known by the name given to `python -m`, else by its file's stem.
    """
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"


def _place(call: Call) -> str:
    return f"{getattr(call, '__module__', '?')}:{getattr(call, '__qualname__', repr(call))}"


def _walk(start: Any, qualname: str) -> Any:
    for part in qualname.split("."):
        start = getattr(start, part)
    return start


def _check_importable(call: Call) -> str:
    module, qualname = getattr(call, "__module__", None), getattr(call, "__qualname__", None)
    if not callable(call) or module is None or qualname is None:
        raise InvalidDefinitionError(
            f"{call!r} can't be a step: a step is a function or a class of a module (for arguments,"
            " use Step(args=..., kwargs=...) instead of a partial or an instance)"
        )
    if "<lambda>" in qualname:
        raise InvalidDefinitionError(
            f"a lambda ({module}:{qualname}) can't be a step: nothing could find it again after a"
            " restart; use a function of a module"
        )
    if "<locals>" in qualname:
        raise InvalidDefinitionError(
            f"{module}:{qualname} is local to a function: nothing could find it again after a restart;"
            " move it to the top level of its module"
        )
    try:
        found = _walk(sys.modules[module], qualname)
    except (KeyError, AttributeError):
        found = call  # still being defined: a decorator sees a function before its module does
    if found != call and isinstance(call, MethodType):
        raise InvalidDefinitionError(
            f"{module}:{qualname} is bound to {call.__self__!r}: nothing could find that object again after a"
            " restart; use a function of a module, and hand it the object as a service"
        )
    if found != call and not callable(found):
        raise InvalidDefinitionError(f"{module}:{qualname} names something other than {call!r}")
    return f"{module_name(module)}:{qualname}"
