"""Composite steps: branches side by side, and one step for each item of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model.composite import Child, Composite
from procactors.model.step import Step

_ITEM = "item"
"""The name of an `Each`'s step that has none of its own."""


class Parallel(Composite):
    """Several steps side by side, as one step: `Parallel({"mail": send, "index": index})`.

    Every branch gets the same data; the output is `{branch: output}`. Each branch is a child process of one
    step with the timeout of its parent: a crash or a retry repeats only what had not finished.

    Attributes:
        branches: The steps by name. A branch may also be a `Process`.
    """

    __slots__ = ("branches",)

    kind = "parallel"
    branches: Mapping[str, Step]

    def __init__(self, branches: Mapping[str, Any]) -> None:
        """Make a step of `branches`: a mapping of name to function, class, reference, `Step` or `Process`.

        Raises:
            InvalidDefinitionError: There is none, or one is not valid.
        """
        if not isinstance(branches, Mapping) or not branches:
            raise InvalidDefinitionError(f"Parallel takes a mapping of name to step, not {branches!r}")
        steps = {name: _branch(step_under(name, what)) for name, what in branches.items()}
        self.branches = MappingProxyType(steps)

    def inner_spec(self, spec_of: Callable[[Step], Any]) -> dict[str, Any]:
        """Return the branches by name; see `Composite.inner_spec`."""
        return {name: spec_of(branch) for name, branch in self.branches.items()}

    def inner_steps(self) -> Sequence[Step]:
        """Return the branches."""
        return list(self.branches.values())

    def children(self, data: Any) -> list[Child]:
        """Return one for each branch, on the same `data`; see `Composite.children`."""
        return [Child(branch, data, name) for name, branch in self.branches.items()]

    def joined(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """Return the outputs by name; see `Composite.joined`."""
        return dict(zip(self.branches, outputs, strict=True))

    def __eq__(self, other: object) -> bool:
        """Equal are those with the same branches, in the same order."""
        return isinstance(other, Parallel) and self._fields == other._fields

    def __hash__(self) -> int:
        """Hash by the branches."""
        return hash(self._fields)

    def __reduce__(self) -> Any:
        """Pickle as what it was made of, for programs that do so."""
        return Parallel, (dict(self.branches),)

    @property
    def _fields(self) -> tuple[Any, ...]:
        return tuple(self.branches.items())

    def __repr__(self) -> str:
        """Show the branches' names."""
        return f"Parallel({list(self.branches)})"


class Each(Composite):
    """One step for each item of a list: `Each(fetch, over="urls", limit=4)`.

    Takes the list in the field `over` of its data; the output is the list of outputs, in the same order.
    Each item is the input of a child process of its own, with the timeout of its parent: a crash or a retry
    repeats only what had not finished.

    Attributes:
        step: What is done with each item. May also be a `Process`.
        over: The field that holds the list.
        limit: How many items are worked on at once, >= 1; None: all, as far as there are slots.
    """

    __slots__ = ("limit", "over", "step")

    kind = "each"

    def __init__(self, step: Any, over: str, limit: int | None = None) -> None:
        """Make a step that does `step` (a function, class, reference, `Step` or `Process`) for each item.

        Raises:
            InvalidDefinitionError: An argument is not valid.
        """
        if not isinstance(over, str) or not over:
            raise InvalidDefinitionError(f"Each: over must be the name of a field, not {over!r}")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidDefinitionError(f"Each: limit must be 1 or more, not {limit!r}")
        self.step = _branch(step if isinstance(step, Step) else step_under(_ITEM, step))
        self.over = over
        self.limit = limit

    def inner_spec(self, spec_of: Callable[[Step], Any]) -> dict[str, Any]:
        """Return its fields; defaults are left out; see `Composite.inner_spec`."""
        spec = {"name": self.step.name, "step": spec_of(self.step), "over": self.over, "limit": self.limit}
        return {field: value for field, value in spec.items() if value not in (None, _ITEM)}

    def inner_steps(self) -> list[Step]:
        """Return the one step."""
        return [self.step]

    def children(self, data: Any) -> list[Child]:
        """Return one for each item of `data`; see `Composite.children`.

        Raises:
            InvalidDataError: The data has no such list.
        """
        items = data.get(self.over) if isinstance(data, Mapping) else None
        if not isinstance(items, list):
            raise InvalidDataError(f"Each needs data with a list in the field {self.over!r}")
        return [Child(self.step, item, str(number)) for number, item in enumerate(items)]

    def joined(self, outputs: Sequence[Any]) -> list[Any]:
        """Return the outputs; see `Composite.joined`."""
        return list(outputs)

    def __eq__(self, other: object) -> bool:
        """Equal are those that do the same with the items of the same field, as many at once."""
        return isinstance(other, Each) and self._fields == other._fields

    def __hash__(self) -> int:
        """Hash by its fields."""
        return hash(self._fields)

    @property
    def _fields(self) -> tuple[Any, ...]:
        return self.step, self.over, self.limit

    def __repr__(self) -> str:
        """Show the step and the field."""
        return f"Each({self.step.name!r}, over={self.over!r}, limit={self.limit})"


def _branch(step: Step) -> Step:
    """Refuse an undo that would never run: what is over in a child is not undone by its parent."""
    if step.undo is not None:
        raise InvalidDefinitionError(
            f"step {step.name!r}, field 'undo': a branch has no undo of its own; give the whole step one",
            step=step.name,
        )
    return step


def step_under(name: str, what: Any) -> Step:
    """Return the step that stands under a name in a mapping of steps.

    Raises:
        InvalidDefinitionError: It is not a step, or has another name.
    """
    if not isinstance(what, Step):
        return Step(name, what)
    if what.name != name:
        raise InvalidDefinitionError(
            f"the step under {name!r} has the name {what.name!r}: give it the same", step=name
        )
    return what
