"""The children of one supervisor in the order of their start, and whose turn it is to live again.

Under rest-for-one the failure of one ends the lives of those started after it, the last one first, and
each of them lives again when all those before it are up. There is no plan of a restart that several
failures at once could spoil: a child between two lives waits, and whenever one comes up or goes for
good, the first that is not up is woken and looks whether its turn has come.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias, Union

from procactors.actors._restart import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procactors.actors._cell import Cell
    from procactors.actors._supervisor import Supervisor

Child: TypeAlias = Union["Cell", "Supervisor"]


class Siblings:
    """Children in the order of their start; no two have one name."""

    __slots__ = ("_above", "_children", "_strategy", "_waiting", "is_halted")

    def __init__(self, strategy: Strategy, above: Siblings | None) -> None:
        """Begin with none; `above` are those among whom their supervisor is one."""
        self._strategy = strategy
        self._above = above
        self._children: dict[str, Child] = {}
        self._waiting: set[Child] = set()
        self.is_halted = False
        """True while none of them may live, as something before their supervisor is not up."""

    def add(self, child: Child) -> None:
        """Add the last one.

        Raises:
            ValueError: There is one of that name.
        """
        if child.name in self._children:
            problem = f"there is a child named {child.name!r}; names are unique below a supervisor"
            raise ValueError(problem)
        self._children[child.name] = child

    def remove(self, child: Child) -> None:
        """Forget one that has ended for good."""
        del self._children[child.name]
        self._waiting.discard(child)

    def all(self) -> tuple[Child, ...]:
        """Return them in the order of their start."""
        return tuple(self._children.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._children)

    # One fails.

    async def halt_all(self) -> None:
        """Let none of them live until `resume`: the lives that are on end, the last started first."""
        self.is_halted = True
        for child in reversed(self.all()):
            await child.halt_life()

    async def halt_after(self, failed: Child) -> None:
        """End the lives of those started after the one that failed, if they may depend on it."""
        if self._strategy is Strategy.REST_FOR_ONE:
            children = self.all()
            for child in reversed(children[children.index(failed) + 1 :]):
                await child.halt_life()

    # Whose turn it is to live again.

    @contextmanager
    def waiting(self, child: Child) -> Iterator[None]:
        """Count `child` among those that wait for their turn."""
        self.note_waiting(child)
        try:
            yield
        finally:
            self._waiting.discard(child)

    def note_waiting(self, child: Child) -> None:
        """Count `child` among those that wait for their turn, until it is woken."""
        self._waiting.add(child)

    def is_turn_of(self, child: Child) -> bool:
        """Tell whether all that `child` may depend on is up."""
        if self.is_halted or self._strategy is Strategy.ONE_FOR_ONE:
            return not self.is_halted
        before = takewhile(lambda other: other is not child, self._children.values())
        return all(other.is_up for other in before)

    @property
    def is_up(self) -> bool:
        """Tell whether all of them are up."""
        return not self.is_halted and all(child.is_up for child in self._children.values())

    def resume(self) -> None:
        """Let them live again after `halt_all`."""
        self.is_halted = False
        self._wake_next()

    def advance(self) -> None:
        """Wake those whose turn may have come, here and above: a child is up, or gone."""
        self._wake_next()
        if self._above is not None:
            self._above.advance()

    def _wake_next(self) -> None:
        if self.is_halted or not self._waiting:
            return
        for child in self.all():
            if not child.is_up:
                self._waiting.discard(child)
                child.wake()
                if self._strategy is Strategy.REST_FOR_ONE and not child.is_up:
                    break
