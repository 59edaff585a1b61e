"""One step of a definition: a name, what to call, and how."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model import reference
from procactors.model.composite import Composite
from procactors.model.payload import decode, encode
from procactors.model.retry import Retry
from procactors.model.sleep import LONGEST_S, Sleep
from procactors.model.text import problem_of, shown

EXECUTORS = ("loop", "thread", "process")
_ARGUMENTS_BYTES = 1_048_576
_NICE_MAX = 19


class _Named(msgspec.Struct, frozen=True):
    name: str
    call: Any


class Step(_Named, frozen=True, kw_only=True):
    """A named step: a function, or a class or factory whose product has `execute(data[, ctx])`.

    Attributes:
        name: Unique within its process; by it a process resumes after a deploy.
        call: A function or class of a module, or a reference to one ("module:qualname"); a `Sleep`;
            or a `Process`, `Parallel` or `Each`, whose processes are then children of this one.
        args: Positional arguments; JSON-able. For a class or factory they build the object, for a
            function they follow `data` and `ctx`.
        kwargs: Keyword arguments; JSON-able.
        services: Names of the manager's services that are passed as keyword arguments.
        optional_services: The same, left out where the manager does not have them.
        timeout: Seconds for each attempt, > 0; None: no limit but the process's.
        heartbeat: The step promises to call `ctx.heartbeat()` or `ctx.progress()` at least every so
            many seconds, > 0; an attempt that stops doing so is failed.
        retry: What happens after a failure; None: one attempt only.
        executor: "loop" (plain functions run in a thread anyway), "thread" or "process".
        memory_bytes: How much memory its OS process may map (RLIMIT_AS), > 0; None: no limit. With
            executor="process" only.
        nice: How much its OS process steps back for others, 0 to 19. With executor="process" only.
        interrupts: Interrupt the process after this step, as if it returned `Interrupt(output)`.
        at_most_once: Never run it again after a crash inside it: the process fails instead.
        undo: The compensation of this step, called with its output: a function or class, a reference, or
            a `Step`, which is then named "<this step>.undo".

    Raises:
        InvalidDefinitionError: Something is wrong; the message names step, field and reason.
    """

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    services: Sequence[str] = ()
    optional_services: Sequence[str] = ()
    timeout: float | None = None
    heartbeat: float | None = None
    retry: Retry | None = None
    executor: str = "loop"
    memory_bytes: int | None = None
    nice: int = 0
    interrupts: bool = False
    at_most_once: bool = False
    undo: Any = None

    def __post_init__(self) -> None:
        """Check every field and bring it into its one form."""
        self._check_name()
        if self.is_pause:
            self._check_plain("call", of="a Sleep, which calls nothing")
            return
        if self.is_composite:
            own = ("call", "timeout", "retry", "interrupts", "undo")
            self._check_plain(*own, of=f"{type(self.call).__name__}, whose processes do the work")
        else:
            _check_call(self.name, "call", self.call)
        for field in ("args", "services", "optional_services"):
            self._set(field, self._sequence(field))
        self._check_kwargs()
        for field in ("timeout", "heartbeat"):
            check_seconds(getattr(self, field), self._problem(field))
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise self._problem("retry")(f"must be a Retry, not {self.retry!r}")
        if self.executor not in EXECUTORS:
            raise self._problem("executor")(f"must be one of {EXECUTORS}, not {self.executor!r}")
        self._check_limits()
        self._check_flags()
        if self.undo is not None:
            self._check_undo()

    def __hash__(self) -> int:
        """Hash by name and by what is called: arguments may be of any kind."""
        return hash((self.name, self.reference or self.call))

    def _check_undo(self) -> None:
        name = f"{self.name}.undo"
        if not isinstance(self.undo, Step):
            self._set("undo", Step(name, self.undo))
        elif self.undo.name != name:
            self._set("undo", msgspec.structs.replace(self.undo, name=name))
        if self.undo.is_pause or self.undo.is_composite:
            raise self._problem("undo")("must be something to call")
        if self.undo.interrupts or self.undo.undo is not None:
            raise self._problem("undo")("can't interrupt, or be undone itself")

    def _check_flags(self) -> None:
        for field in ("interrupts", "at_most_once"):
            if not isinstance(getattr(self, field), bool):
                raise self._problem(field)(f"must be True or False, not {shown(getattr(self, field))}")
        if self.at_most_once and self.retry is not None:
            raise self._problem("at_most_once")("and retry exclude each other")

    def _check_limits(self) -> None:
        if self.memory_bytes is not None and (type(self.memory_bytes) is not int or self.memory_bytes <= 0):
            raise self._problem("memory_bytes")(f"must be a whole number above 0, not {self.memory_bytes!r}")
        if type(self.nice) is not int or not 0 <= self.nice <= _NICE_MAX:
            raise self._problem("nice")(f"must be a whole number from 0 to {_NICE_MAX}, not {self.nice!r}")
        for field in ("memory_bytes", "nice"):
            if getattr(self, field) and self.executor != "process":
                raise self._problem(field)(f"needs executor='process', not {self.executor!r}")

    def _problem(self, field: str) -> Any:
        return lambda reason: InvalidDefinitionError(
            f"step {self.name!r}, field {field!r}: {reason}", step=self.name
        )

    def _set(self, field: str, value: Any) -> None:
        msgspec.structs.force_setattr(self, field, value)

    def _check_name(self) -> None:
        problem = problem_of(self.name)
        if problem or not self.name.strip():
            raise InvalidDefinitionError(f"a step's name {problem or 'must not be empty'}")

    def _check_plain(self, *own: str, of: str) -> None:
        """Refuse fields that say how code is called, besides its own: this step calls none."""
        plain = Step(self.name, _check_call)
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if field not in own and value and value != getattr(plain, field):
                raise self._problem(field)(f"makes no sense for {of}")

    def _sequence(self, field: str) -> tuple[Any, ...]:
        value = getattr(self, field)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self._problem(field)(f"must be a list or tuple, not {value!r}")
        if field != "args" and not all(isinstance(name, str) for name in value):
            raise self._problem(field)(f"must hold names, not {value!r}")
        return tuple(value)

    def _check_kwargs(self) -> None:
        if not isinstance(self.kwargs, Mapping) or not all(isinstance(k, str) for k in self.kwargs):
            raise self._problem("kwargs")(f"must map names to values, not {shown(self.kwargs)}")
        self._set("args", tuple(self._own_copy("args")))
        self._set("kwargs", self._own_copy("kwargs"))
        passed = [*self.kwargs, *self.services, *self.optional_services]
        if len(set(passed)) != len(passed):
            raise self._problem("services")("and kwargs pass the same name twice")

    @property
    def is_pause(self) -> bool:
        """Whether it is nothing but a pause."""
        return isinstance(self.call, Sleep)

    @property
    def is_composite(self) -> bool:
        """Whether it is made of processes."""
        return isinstance(self.call, Composite)

    @property
    def needs(self) -> str:
        """What a manager must have to run this step; the same of two steps if it can run both or neither.

        The reference with the names of what is passed: a service that is missing, or an argument that the
        code does not take, concerns this step and not others with the same code.
        """
        passed = ["_"] * len(self.args) + [*self.kwargs, *self.services, *self.optional_services]
        return f"{self.reference}({', '.join(passed)})" if passed else self.reference

    def _own_copy(self, field: str) -> Any:
        """Return arguments as a stored plan gives them back, and nobody else can change."""
        value = getattr(self, field)
        if not value:
            return value
        try:
            return decode(encode(value, _ARGUMENTS_BYTES, "it"))
        except InvalidDataError as error:
            raise self._problem(field)(f"must be JSON-able: {error}") from error

    @property
    def reference(self) -> str:
        """How the step's code is found again: "module:qualname", or its stable name; "" if it has none."""
        if self.is_pause or self.is_composite:
            return ""
        return self.call if isinstance(self.call, str) else reference.register(self.call)


def check_seconds(value: Any, problem: Any) -> None:
    """Refuse a duration that is not a positive number of seconds or None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise problem(f"must be a number of seconds, not {value!r}")
    if not 0 < value < float("inf"):
        raise problem(f"must be more than 0 seconds, not {value!r}")
    if value > LONGEST_S:
        raise problem(f"must be at most {LONGEST_S:.0f} seconds (None: no limit), not {value!r}")


def _check_call(name: str, field: str, call: Any) -> None:
    if isinstance(call, str):
        problem = problem_of(call) or reference.problem_of(call)
        if problem:
            raise InvalidDefinitionError(f"step {name!r}, field {field!r}: {problem}", step=name)
        return
    try:
        reference.register(call)
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(f"step {name!r}, field {field!r}: {error}", step=name) from None
    if inspect.isclass(call) and not callable(getattr(call, "execute", None)):
        raise InvalidDefinitionError(
            f"step {name!r}, field {field!r}: class {call.__qualname__} has no method execute(data[, ctx])",
            step=name,
        )
