"""What waits in one stage of one level, and in which order it is taken out. Pure: no await, no lock.

Everything that waits is claimed at once, as a round, so that what is added meanwhile forms the next
one. In a round the data updates come first, the others after them, each in the order of adding; a
mergeable update has moved to the end when another was merged into it.
"""

from __future__ import annotations

from contextvars import Context
from types import CodeType
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.deferred._origin import Origin, name_of
from procactors.deferred._tie import Tie
from procactors.deferred._updates import DataUpdate, MergeableUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator


class Entry(msgspec.Struct, eq=False):
    """An update that was deferred, and what is known of its deferral."""

    update: Any
    context: Context
    """The context in which it was added; it runs in this copy."""
    code: CodeType
    instruction: int
    """With `code`, the place that added it; see `Origin.at`."""
    tie: Tie | None = None
    """The transaction it has to wait for; None: none."""
    always: bool = False
    """True: it runs even if what the scope is around fails."""
    durable: bool = False
    """True: it is not run here but kept for a process to do."""

    @property
    def origin(self) -> Origin | str:
        """Who deferred it: what the update itself says, else the line that added it."""
        own: Origin | str | None = getattr(self.update, "origin", None)
        return own or Origin.at(self.code, self.instruction)

    def __str__(self) -> str:
        """Return it as logs say it."""
        return f"{name_of(self.update)} (deferred by {self.origin})"


class StageQueue:
    """The updates that wait for one stage."""

    __slots__ = ("_check_durable", "_entries")

    def __init__(self, check_durable: Callable[[Any], None] | None = None) -> None:
        """Make an empty queue; what is merged into a durable update has to pass `check_durable`, too."""
        self._check_durable = check_durable
        self._entries: dict[Hashable, Entry] = {}

    def add(self, entry: Entry) -> bool:
        """Add `entry` at the end, or merge it into the one that is there; tell whether it was merged.

        Raises:
            Exception: What `merge` raised, or why it would spoil a durable update; the queue is as before.
        """
        update = entry.update
        if not isinstance(update, MergeableUpdate) or entry.tie is not None:
            self._entries[entry] = entry
            return False
        key = update.merge_key()
        existing = self._entries.get(key)
        if existing is None:
            self._entries[key] = entry
            return False
        if existing.durable and not entry.durable and self._check_durable is not None:
            self._check_durable(update)
        existing.update.merge(update)
        existing.always = existing.always or entry.always
        existing.durable = existing.durable or entry.durable
        del self._entries[key]
        self._entries[key] = existing
        return True

    def claim(self) -> list[Entry]:
        """Take everything out and return it in the order in which it has to run."""
        entries, self._entries = self._entries, {}
        return data_first(entries.values())

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put entries that were claimed but not run before the others."""
        back: dict[Hashable, Entry] = {}
        for entry in entries:
            mergeable = isinstance(entry.update, MergeableUpdate) and entry.tie is None
            back[entry.update.merge_key() if mergeable else entry] = entry
        waiting, self._entries = self._entries, back
        for entry in waiting.values():
            self.add(entry)

    def take(self, wanted: Callable[[Entry], bool]) -> Iterator[Entry]:
        """Take out those for which `wanted(entry)` is true, one by one, as the iterator is advanced."""
        for key, entry in list(self._entries.items()):
            if wanted(entry):
                del self._entries[key]
                yield entry

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries in order."""
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        """Return how many wait; a merged one counts once."""
        return len(self._entries)


def data_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries with data updates first, else in the same order."""
    data: list[Entry] = []
    others: list[Entry] = []
    for entry in entries:
        (data if isinstance(entry.update, DataUpdate) else others).append(entry)
    return data + others if data else others
