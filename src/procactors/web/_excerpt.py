"""The beginning of a payload: as much as a person looks at, so that a large one costs a page no more."""

from __future__ import annotations

from typing import Any

_PARTS_MAX = 1_000
_TEXT_MAX = 20_000
MORE = "…"


def excerpt(value: Any, parts: int = _PARTS_MAX) -> Any:
    """Return JSON-able data with at most so many parts; where some are left out it says how many."""
    return _Cut(parts).of(value)


class _Cut:
    """Counts the parts that there is still room for."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: Any) -> Any:
        """Return a value, or as much of it as there is room for."""
        if isinstance(value, dict):
            found: dict[Any, Any] = {}
            for key, item in value.items():
                if not self._take():
                    found[MORE] = f"{len(value) - len(found):,} more"
                    break
                found[key] = self.of(item)
            return found
        if isinstance(value, list | tuple):
            items: list[Any] = []
            for item in value:
                if not self._take():
                    items.append(f"{MORE} {len(value) - len(items):,} more")
                    break
                items.append(self.of(item))
            return items
        if isinstance(value, str) and len(value) > _TEXT_MAX:
            return f"{value[:_TEXT_MAX]}{MORE} {len(value) - _TEXT_MAX:,} more"
        return value

    def _take(self) -> bool:
        self._room -= 1
        return self._room >= 0
