"""Steps that are made of processes: what they have in common.

A composite calls no code of its own: it says which children to run on its data, and what their outputs make.
Each child is a process by itself, so what it has finished stays finished whatever happens to its siblings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from procactors.model.step import Step


class Child(NamedTuple):
    """One child to run.

    Attributes:
        what: A `Process`, or the one `Step` of a process that is made of it.
        data: Its input.
        key: Which child of the step it is; None: the only one.
    """

    what: Any
    data: Any
    key: str | None


class Composite(ABC):
    """A step's `call` that is made of processes."""

    __slots__ = ()

    kind: ClassVar[str]
    """The field that holds it in a spec."""
    limit: int | None = None
    """How many children run at once; None: all."""

    def __copy__(self) -> Self:
        """Return itself: nothing in it changes."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return itself: nothing in it changes."""
        return self

    @abstractmethod
    def inner_spec(self, spec_of: Callable[[Step], Any]) -> Any:
        """Return it as plain data; `spec_of` does so for a step."""

    @abstractmethod
    def inner_steps(self) -> Iterable[Step]:
        """Return the steps that its children are made of."""

    @abstractmethod
    def children(self, data: Any) -> Sequence[Child]:
        """Return which children to run on `data`; pure, and the same for the same data."""

    @abstractmethod
    def joined(self, outputs: Sequence[Any]) -> Any:
        """Return what the outputs of the children make, which come in their order."""
