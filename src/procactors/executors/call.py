"""How user code is called: one or two parameters, typed data, services. Once for all executors."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model.composite import Composite
from procactors.model.definition import Process
from procactors.model.reference import resolve
from procactors.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.executors.context import StepContext

_log = logging.getLogger("procactors.executors")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONTEXT_NAMES = frozenset({"ctx", "context"})

Decode = Callable[[bytes], Any]


class Shape(msgspec.Struct, frozen=True):
    """What the signature of a function says about how to call it."""

    takes_context: bool
    is_async: bool
    decode: Decode
    wants: str


class PreparedStep:
    """A step that has been resolved, and knows how its code wants to be called."""

    __slots__ = ("_arguments", "_call", "_is_built", "_keywords", "_shape", "place", "reference", "step")

    def __init__(self, step: Step, call: Callable[..., Any], keywords: dict[str, Any]) -> None:
        """Take up `call` for `step`; `keywords` are its kwargs and services.

        Raises:
            InvalidDefinitionError: It can't be called as a step.
        """
        self.step = step
        self.reference = _reference_of(step, call)
        """Where another OS process finds the code: "module:qualname"."""
        self._call = call
        self._keywords = keywords
        self._arguments = _encoded_arguments(step)
        self._is_built = inspect.isclass(call) or _is_factory(call, step, keywords)
        self._shape: Shape | None = None
        if not self._is_built:
            self._shape = _shape(call, step, len(step.args), frozenset(keywords))
        elif inspect.isclass(call):
            self._shape = _shape(_execute_of(call, step), step, 0, frozenset(), skip=1)
        self.place = self._place()
        """Which executor runs it: "loop", "thread" or "process"."""

    def _place(self) -> str:
        """Leave the event loop to async code, and to factories, which may make it."""
        if self.step.executor != "loop" or self._shape is None or self._shape.is_async:
            return self.step.executor
        return "thread"

    def call(self, data: msgspec.Raw, ctx: StepContext) -> Any:
        """Decode the data, build what is to be built, and call it.

        Returns:
            The output; an awaitable of it if the code is async; a `Later` if a factory made something
            that must not be called on the event loop.

        Raises:
            InvalidDataError: The data does not fit the type of the first parameter.
        """
        if not self._is_built:
            assert self._shape is not None
            return _invoke(self._shape, self._call, data, ctx, *self._fresh_arguments())
        args, keywords = self._fresh_arguments()
        built = self._call(*args, **keywords)
        execute = getattr(built, "execute", None)
        if not callable(execute):
            raise InvalidDefinitionError(
                f"step {self.step.name!r}: {self.step.reference} made a {type(built).__name__}, which has"
                " no method execute(data[, ctx])",
                step=self.step.name,
            )
        shape = self._shape or _shape(execute, self.step, 0, frozenset())
        if self.place == "loop" and not shape.is_async:
            return Later(lambda: _invoke(shape, execute, data, ctx, (), {}))
        return _invoke(shape, execute, data, ctx, (), {})

    def _fresh_arguments(self) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return args and keywords that this call may change without harm to the next."""
        if self._arguments is None:
            return self.step.args, self._keywords
        args, kwargs = msgspec.json.decode(self._arguments)
        return args, {**self._keywords, **kwargs}


def _execute_of(call: type, step: Step) -> Callable[..., Any]:
    execute = getattr(call, "execute", None)
    if not callable(execute):
        raise InvalidDefinitionError(
            f"step {step.name!r}: class {call.__qualname__} has no method execute(data[, ctx])",
            step=step.name,
        )
    found: Callable[..., Any] = execute
    return found


def _encoded_arguments(step: Step) -> bytes | None:
    """Return a step's args and kwargs as JSON; None if nothing in them could be changed."""
    values = (*step.args, *step.kwargs.values())
    if any(isinstance(value, list | dict) for value in values):
        return msgspec.json.encode((step.args, step.kwargs))
    return None


class Later(msgspec.Struct, frozen=True):
    """A call that is still to be made, in a thread."""

    call: Callable[[], Any]


def prepare(step: Step, services: Mapping[str, Any], modules: Sequence[str]) -> PreparedStep:
    """Resolve a step and its services.

    Raises:
        StepNotResolvableError: Its reference is not known here.
        InvalidDefinitionError: A service is missing, the code can't be called as a step, or not in an OS
            process of its own.
    """
    if isinstance(step.call, Composite):
        return PreparedStep(step, _running_children(step.call, step.name), {})
    call = resolve(step.reference, modules)
    if step.executor == "process":
        _check_it_can_leave(step, call)
        return PreparedStep(step, call, dict(step.kwargs))
    missing = [name for name in step.services if name not in services]
    if missing:
        offered = [name for name in services if not name.startswith("procactors_")]  # those are our own
        raise InvalidDefinitionError(
            f"step {step.name!r} needs the service {missing[0]!r}; there are {sorted(offered)}:"
            " pass it in ProcessManager(services=...)",
            step=step.name,
        )
    names = [*step.services, *(name for name in step.optional_services if name in services)]
    keywords = {**step.kwargs, **{name: services[name] for name in names}}
    return PreparedStep(step, call, keywords)


def _running_children(composite: Composite, step: str) -> Callable[..., Any]:
    """Return code that runs a composite's children and joins their outputs."""

    async def run_children(data: Any, ctx: StepContext) -> Any:
        made: dict[int, Process] = {}
        runs = []
        for what, its_data, key in composite.children(data):
            if id(what) not in made:
                made[id(what)] = _process_of(what, step, ctx.definition)
            runs.append((made[id(what)], its_data, key))
        return composite.joined(await ctx.gather(*runs, limit=composite.limit))

    return run_children


def _process_of(what: Process | Step, parent_step: str, parent: Process) -> Process:
    """Return a child's definition: it is one already, or is made of one step and what its parent has."""
    if isinstance(what, Process):
        return what
    if isinstance(what.call, Process) and what == Step(what.name, what.call):
        return what.call
    name = f"{parent_step}.{what.name}"
    return Process(name, [what], parent.timeout, env=parent.env, argv=parent.argv)


def _check_it_can_leave(step: Step, call: Callable[..., Any]) -> None:
    """Refuse what can't run in another OS process; optional services are left out there."""
    problem = None
    if step.services:
        problem = f"the service {step.services[0]!r} can't go with it: let it make its own, or pass data"
    elif call.__module__ == "__main__":
        problem = f"{step.reference} is in the main program, which it can't import: move it into a module"
    elif not hasattr(os, "pidfd_open"):
        problem = "that needs Linux: give it executor='thread'"
    if problem is not None:
        raise InvalidDefinitionError(
            f"step {step.name!r} is to run in an OS process of its own (executor='process'), but {problem}",
            step=step.name,
        )


def _reference_of(step: Step, call: Callable[..., Any]) -> str:
    """Return the reference itself, or the place of what has a stable name, which only this program knows."""
    if ":" in step.reference:
        return step.reference
    return f"{call.__module__}:{call.__qualname__}"


def _invoke(
    shape: Shape,
    call: Callable[..., Any],
    data: msgspec.Raw,
    ctx: StepContext,
    args: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    try:
        ctx.data = value = shape.decode(bytes(data))
    except (ValueError, TypeError) as error:  # also pydantic's
        raise InvalidDataError(
            f"the data of step {ctx.step!r} does not fit {shape.wants}: {error}",
            pid=ctx.pid,
            step=ctx.step,
            attempt=ctx.attempt,
        ) from error
    if shape.takes_context:
        return call(value, ctx, *args, **keywords)
    return call(value, *args, **keywords)


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(call).parameters.values())
    except (ValueError, TypeError):  # some built-in functions have none: they get the data alone
        return [inspect.Parameter("data", inspect.Parameter.POSITIONAL_ONLY)]


def _free(call: Callable[..., Any], keywords: frozenset[str]) -> list[inspect.Parameter]:
    """Return the positional parameters that no keyword fills."""
    return [p for p in _parameters(call) if p.kind in _POSITIONAL and p.name not in keywords]


def _is_factory(call: Callable[..., Any], step: Step, keywords: Mapping[str, Any]) -> bool:
    """Tell whether a plain function makes the object to execute: its arguments leave no room for data."""
    if inspect.iscoroutinefunction(call):
        return False
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in _parameters(call)):
        return False
    return len(_free(call, frozenset(keywords))) <= len(step.args)


def _shape(call: Callable[..., Any], step: Step, args: int, keywords: frozenset[str], skip: int = 0) -> Shape:
    free = _free(call, keywords)[skip:]
    required = [p for p in free if p.default is inspect.Parameter.empty]
    takes_context = len(free) - args > 1 and (free[1] in required or free[1].name in _CONTEXT_NAMES)
    room = len(free) >= 1 or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in _parameters(call))
    if not room or len(required) > 1 + takes_context + args:
        raise InvalidDefinitionError(
            f"step {step.name!r}: {getattr(call, '__qualname__', call)} has to take (data) or (data, ctx)"
            f" besides what args, kwargs and services fill, not {[p.name for p in free]}",
            step=step.name,
        )
    _check_keywords(call, step, keywords)
    kind = _annotation(call, free[0]) if free else Any
    decode, wants = _decoder(kind, step.name)
    return Shape(takes_context, inspect.iscoroutinefunction(call), decode, wants)


def _check_keywords(call: Callable[..., Any], step: Step, keywords: frozenset[str]) -> None:
    for parameter in _parameters(call):
        is_open = parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in keywords
        if (
            is_open
            and parameter.default is inspect.Parameter.empty
            and parameter.name not in step.optional_services
        ):
            raise InvalidDefinitionError(
                f"step {step.name!r}: nothing fills the keyword {parameter.name!r} of"
                f" {getattr(call, '__qualname__', call)}: name it in kwargs= or services="
                " (data and ctx come by position)",
                step=step.name,
            )


def _annotation(call: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    kind = parameter.annotation
    if kind is inspect.Parameter.empty:
        return Any
    if isinstance(kind, str):
        function = inspect.unwrap(getattr(call, "__func__", call))
        try:
            return eval(kind, getattr(function, "__globals__", {}))  # noqa: S307 - the program's own text
        except Exception as error:  # noqa: BLE001 - whatever an annotation may raise
            _log.warning("the data of %s is not checked: its type %r can't be found (%s)", call, kind, error)
            return Any
    return kind


def _decoder(kind: Any, step: str) -> tuple[Decode, str]:
    if kind is None or kind is Any or kind is object:
        return _plain_decode, "JSON"
    name = getattr(kind, "__qualname__", str(kind))
    if hasattr(kind, "model_validate_json"):  # pydantic's models
        return kind.model_validate_json, name
    return _typed_decode(kind, step), name


_plain_decode = msgspec.json.Decoder().decode


@lru_cache(maxsize=1024)
def _typed_decode(kind: Any, step: str) -> Decode:
    try:
        decoder = msgspec.json.Decoder(kind)
        custom = isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)
    except (TypeError, NameError) as error:
        raise InvalidDefinitionError(
            f"step {step!r}: its first parameter's type {kind!r} can't be read from JSON: {error}", step=step
        ) from error
    if custom:
        raise InvalidDefinitionError(
            f"step {step!r}: its first parameter's type {kind!r} can't be read from JSON; use a"
            " msgspec.Struct, dataclass, TypedDict or attrs class",
            step=step,
        )
    decode: Decode = decoder.decode
    return decode
