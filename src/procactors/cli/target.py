"""What `procactors run` is to run: a definition in a file, or one that a module makes."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, TypeVar

from procactors.cli.arguments import parsed_json, read_text
from procactors.cli.failure import BadInputError
from procactors.manager import ProcessManager
from procactors.model.definition import Process

T = TypeVar("T")

_JSON, _YAML = (".json",), (".yaml", ".yml")


def definition(target: str) -> Process:
    """Return the definition that `target` names.

    Args:
        target: A spec's file (.json, .yaml, .yml), or "module:name" of a Process or of a function that
            returns one. Modules are looked for in the current directory too.

    Raises:
        BadInputError: There is no such file or module, or it holds something else.
        InvalidDefinitionError: The definition is not valid.
    """
    _look_in_current_directory()
    if target.endswith(_JSON + _YAML):
        return Process.from_spec(_spec(Path(target)))
    module, colon, name = target.partition(":")
    if not colon or not module or not name:
        raise BadInputError(f"{target!r} is neither a spec (.json, .yaml) nor module:process")
    return _process(_imported(module), module, name)


def manager_named(target: str) -> ProcessManager:
    """Return the manager that "module:name" names, or that a function of that name returns.

    Raises:
        BadInputError: There is no such thing, or it runs nothing.
    """
    _look_in_current_directory()
    module, colon, name = target.partition(":")
    if not colon or not module or not name:
        raise BadInputError(f"{target!r} is no module:manager")
    manager = _made(_imported(module), module, name, ProcessManager)
    if not manager.runs:
        raise BadInputError(f"{target} is a client (run=False): it runs nothing")
    return manager


def modules_of(process: Process) -> list[str]:
    """Return the modules that its steps lie in, which have to be imported to run it."""
    steps = [*process.steps.values(), *(step.undo for step in process.steps.values() if step.undo)]
    references = (step.reference.partition(":") for step in steps)
    return sorted({module for module, colon, _ in references if colon})


def _look_in_current_directory() -> None:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _spec(path: Path) -> Any:
    text = read_text(path)
    if path.suffix in _JSON:
        return parsed_json(text, str(path))
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError:
        raise BadInputError(f"to read {path}, install PyYAML: pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInputError(f"{path} is not YAML: {error}") from None


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadInputError(
                f"there is no module {error.name!r}, neither installed nor in {Path.cwd()}"
            ) from None
        raise _broken(module, error) from None
    except Exception as error:  # noqa: BLE001 - whatever somebody's module may raise
        raise _broken(module, error) from None


def _process(module: Any, module_name: str, name: str) -> Process:
    return _made(module, module_name, name, Process)


def _made(module: Any, module_name: str, name: str, kind: type[T]) -> T:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if callable(found) and not isinstance(found, type | kind):
        try:
            found = found()
        except Exception as error:  # noqa: BLE001 - whatever somebody's function may raise
            raise _broken(f"{module_name}:{name}", error) from None
    if isinstance(found, kind):
        return found
    there = ", ".join(sorted(key for key, value in vars(module).items() if isinstance(value, kind)))
    raise BadInputError(
        f"{module_name}:{name} is no {kind.__name__} and no function that returns one; "
        + (f"the module has {there}" if there else "the module has none")
    )


def _broken(what: str, error: Exception) -> BadInputError:
    """Say what went wrong in somebody's code, and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    return BadInputError(f"{what} can't be loaded: {type(error).__name__}: {error} ({place})")
