"""A definition: a name and ordered, named steps. Data, not code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError
from procactors.model.composite import Child, Composite
from procactors.model.limits import Limits, keep_in, limits_in
from procactors.model.parallel import step_under
from procactors.model.sleep import Sleep
from procactors.model.spec import Spec, spec_of, steps_from
from procactors.model.step import Step, check_seconds
from procactors.model.text import problem_of

DEFAULT_TIMEOUT_S = 60.0

Steps = Mapping[str, Any] | Iterable[Step | Callable[..., Any]]


class Process(Composite):
    """What a process does: its steps run in order, each with the output of the one before as input.

    Immutable. It can be built at run time, stored, and read back after a restart or a deploy; a process
    under way carries its own copy, so that editing a definition changes new processes only. It may itself be
    a step of another process, which then has it as a child.

    Attributes:
        name: What kind of process it is, for people and for limits.
        steps: Its steps by name, in order.
        names: The names of its steps, in order.
        timeout: Seconds that it may work, from start or proceed to its end; None: no limit.
        env: Additional environment variables of the OS processes that run its steps with executor="process".
        argv: Arguments of these OS processes, as the steps find them in `sys.argv[1:]`.
        limits: How many run at once, and how often one begins; None: as many as there are slots.
        keep: Seconds for which its processes are kept after their end; None: `options.keep_ended_s`.

    Source: MWStake ProcessManager's ManagedProcess.
    """

    kind = "process"
    __slots__ = ("_encoded", "argv", "env", "keep", "limits", "name", "names", "steps", "timeout")

    name: str
    steps: Mapping[str, Step]
    names: tuple[str, ...]
    timeout: float | None
    env: Mapping[str, str]
    argv: tuple[str, ...]
    limits: Limits | None
    keep: float | None
    _encoded: msgspec.Raw | None

    def __init__(  # noqa: PLR0913 - the public face, as the design has it
        self,
        name: str,
        steps: Steps,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        *,
        env: Mapping[str, str] | None = None,
        argv: Sequence[str] = (),
        max_running: int | None = None,
        max_per_group: int | None = None,
        rate: tuple[int, float] | None = None,
        keep: float | None = None,
    ) -> None:
        """Define a process.

        Args:
            name: Any text.
            steps: A mapping of step name to function, class, reference, `Sleep`, `Process`, `Parallel`,
                `Each` or `Step`; or a sequence of `Step`s, functions, `Sleep`s and `Process`es, which are
                then named by their `__name__`, `sleep`, and by their name.
            timeout: Seconds of work, > 0. Queueing, interruption and sleep don't count. None: no limit.
            env: Additional environment variables for steps with executor="process".
            argv: Additional arguments for steps with executor="process".
            max_running: How many processes of this name run at once, >= 1, over all managers on the store.
                None: no limit but their slots. The limits of the process started last hold for all of a name.
            max_per_group: The same for those of one group: `start(..., group="customer 7")`.
            rate: (n, seconds): at most n of this name begin to run within so many seconds. To come back
                from a retry, a sleep, an interrupt or a crash counts, too.
            keep: Seconds for which its processes are kept after their end, >= 0. None: as the manager says.

        Raises:
            InvalidDefinitionError: Something is wrong; the message names step, field and reason.
        """
        problem = problem_of(name)
        if problem or not name.strip():
            raise InvalidDefinitionError(f"a process's name {problem or 'must not be empty'}")
        check_seconds(timeout, lambda reason: InvalidDefinitionError(f"process {name!r}: timeout {reason}"))
        found = _collected(name, steps)
        self._set("name", name)
        self._set("steps", MappingProxyType(found))
        self._set("names", tuple(found))
        self._set("timeout", timeout)
        launch = _launch(name, env, argv)
        self._set("env", MappingProxyType(launch[0]))
        self._set("argv", launch[1])
        self._set("limits", limits_in(name, max_running, max_per_group, rate))
        self._set("keep", keep_in(name, keep))
        self._set("_encoded", None)

    def to_spec(self) -> dict[str, Any]:
        """Return the definition as plain data; defaults are left out."""
        spec: dict[str, Any] = {"name": self.name}
        if self.timeout != DEFAULT_TIMEOUT_S:
            spec["timeout"] = self.timeout
        if self.env:
            spec["env"] = dict(self.env)
        if self.argv:
            spec["argv"] = [*self.argv]
        for field, value in msgspec.structs.asdict(self.limits or Limits()).items():
            if value is not None:
                spec[field] = [*value] if isinstance(value, tuple) else value
        if self.keep is not None:
            spec["keep"] = self.keep
        return {**spec, "steps": {name: spec_of(step) for name, step in self.steps.items()}}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Process:
        """Make a definition of `spec`: plain data, as JSON or YAML gives it.

        References are not resolved here, but when the process is started.

        Raises:
            InvalidDefinitionError: Something is wrong; the message names step, field and reason.
        """
        read = Spec.read(spec)
        fields = msgspec.structs.asdict(read)
        return cls(**{**fields, "steps": steps_from(read, cls.from_spec)})

    def inner_spec(self, spec_of: Callable[[Step], Any]) -> Any:  # noqa: ARG002 - it knows its own
        """Return its spec, as it stands in that of another process; see `Composite.inner_spec`."""
        return self.to_spec()

    def inner_steps(self) -> list[Step]:
        """Return its steps."""
        return list(self.steps.values())

    def children(self, data: Any) -> list[Child]:
        """Return what it runs as a step of another process: itself, on `data`; see `Composite.children`."""
        return [Child(self, data, None)]

    def joined(self, outputs: Sequence[Any]) -> Any:
        """Return its output; see `Composite.joined`."""
        return outputs[0]

    @property
    def encoded(self) -> msgspec.Raw:
        """The spec as JSON."""
        if self._encoded is None:
            self._set("_encoded", msgspec.Raw(msgspec.json.encode(self.to_spec())))
        assert self._encoded is not None
        return self._encoded

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)

    def __setattr__(self, field: str, value: Any) -> None:
        """Refuse: a definition that is shared must not change."""
        raise AttributeError(f"a Process is immutable: make another one with {field}={value!r}")

    def __delattr__(self, field: str) -> None:
        """Refuse: a definition that is shared must not change."""
        raise AttributeError(f"a Process is immutable: {field!r} can't be deleted")

    def __eq__(self, other: object) -> bool:
        """Two definitions are equal when their specs are."""
        return isinstance(other, Process) and self.to_spec() == other.to_spec()

    def __hash__(self) -> int:
        """Hash by name and step names."""
        return hash((self.name, *self.steps))

    def __reduce__(self) -> Any:
        """Pickle as its spec, for programs that do so; the library itself never pickles anything."""
        return Process.from_spec, (self.to_spec(),)

    def __repr__(self) -> str:
        """Show name and steps."""
        return f"Process({self.name!r}, steps={list(self.steps)}, timeout={self.timeout})"


@lru_cache(maxsize=1024)
def plan_in(definition: bytes) -> Process:
    """Return the definition that a stored process carries. Cached, as many processes carry the same.

    Raises:
        InvalidDefinitionError: A newer version wrote it, or it was edited by hand.
    """
    return Process.from_spec(msgspec.json.decode(definition))


def _launch(name: str, env: Any, argv: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    env = {} if env is None else env
    if not isinstance(env, Mapping) or not all(map(_is_clean, (*env.keys(), *env.values()))):
        raise InvalidDefinitionError(f"process {name!r}: env must map text to text, not {env!r}")
    if any(not key or "=" in key for key in env):
        raise InvalidDefinitionError(f"process {name!r}: env has a name that no variable can have: {env!r}")
    if isinstance(argv, str) or not isinstance(argv, Sequence) or not all(map(_is_clean, argv)):
        raise InvalidDefinitionError(f"process {name!r}: argv must be a sequence of text, not {argv!r}")
    return dict(env), tuple(argv)


def _is_clean(text: Any) -> bool:
    return problem_of(text) is None


def _collected(process: str, steps: Steps) -> dict[str, Step]:
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise InvalidDefinitionError(f"process {process!r}: steps must be a mapping or a sequence")
    if isinstance(steps, Mapping):
        found = [_from_item(process, name, value) for name, value in steps.items()]
    else:
        found = [value if isinstance(value, Step) else _from_call(process, value) for value in steps]
    if not found:
        raise InvalidDefinitionError(f"process {process!r} has no steps")
    named = {step.name: step for step in found}
    if len(named) != len(found):
        names = [step.name for step in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidDefinitionError(
            f"process {process!r} has two steps named {twice!r}; give one of them a name of its own"
            " with Step(name, ...)",
            step=twice,
        )
    return named


def _from_item(process: str, name: str, value: Any) -> Step:
    try:
        return step_under(name, value)
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(f"process {process!r}: {error}", step=name) from None


def _from_call(process: str, value: Any) -> Step:
    if isinstance(value, Sleep):
        return Step("sleep", value)
    if isinstance(value, Process):
        return Step(value.name, value)
    if isinstance(value, Composite):
        raise InvalidDefinitionError(
            f"process {process!r}: {value!r} in the list of steps has no name: use Step(name, ...)"
        )
    name = getattr(value, "__name__", None)
    if not callable(value) or not isinstance(name, str):
        raise InvalidDefinitionError(
            f"process {process!r}: {value!r} in the list of steps is neither a Step nor a function"
        )
    if name == "<lambda>":
        raise InvalidDefinitionError(
            f"process {process!r}: a lambda can't be a step: nothing could find it again after a restart"
        )
    return Step(name, value)
