"""How user code is called: one or two parameters, typed data, services. Once for all executors."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.executors.signature import Shape, is_factory, shape_of
from procactors.model.composite import Composite
from procactors.model.definition import Process
from procactors.model.reference import resolve
from procactors.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.executors.context import StepContext


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
        self._is_built = inspect.isclass(call) or is_factory(call, step, keywords)
        self._shape: Shape | None = None
        if not self._is_built:
            self._shape = shape_of(call, step, len(step.args), frozenset(keywords))
        elif inspect.isclass(call):
            self._shape = shape_of(_execute_of(call, step), step, 0, frozenset(), skip=1)
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
        shape = self._shape or shape_of(execute, self.step, 0, frozenset())
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
                made[id(what)] = process_of(what, step, ctx.definition)
            runs.append((made[id(what)], its_data, key))
        return composite.joined(await ctx.gather(*runs, limit=composite.limit))

    return run_children


def process_of(what: Process | Step, parent_step: str, parent: Process) -> Process:
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
