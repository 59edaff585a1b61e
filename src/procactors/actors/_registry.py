"""Unique names for live actors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procactors.actors._cell import Cell


class Registry:
    """Finds an actor's cell by its name. A name is free again once its actor has ended for good."""

    def __init__(self) -> None:
        """Begin empty."""
        self._cells: dict[str, Cell] = {}

    def add(self, cell: Cell) -> None:
        """Give `cell` its name.

        Raises:
            ValueError: A live actor has that name.
        """
        if cell.name in self._cells:
            problem = f"an actor named {cell.name!r} is alive; names are unique within a system"
            raise ValueError(problem)
        self._cells[cell.name] = cell

    def remove(self, cell: Cell) -> None:
        """Free the name of `cell`."""
        if self._cells.get(cell.name) is cell:
            del self._cells[cell.name]

    def get(self, name: str) -> Cell | None:
        """Return the live cell of that name, if there is one."""
        return self._cells.get(name)

    def __iter__(self) -> Iterator[Cell]:
        """Go through the live cells in the order in which they were started."""
        return iter(tuple(self._cells.values()))

    def __len__(self) -> int:
        """Return how many live cells there are."""
        return len(self._cells)
