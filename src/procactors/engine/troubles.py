"""What is wrong with a manager's store, as its actors have met it, for its health to tell.

A store that is away, or refuses all that is written, makes the manager unready; one write that is refused
while others go through, or one process that can't be read, is a warning. Read from any task, never waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors._clock import Clock
    from procactors.stores._batch import Operation

_SEVERAL = 3
"""So many different writes refused in a row, and none done, are the store's fault and not theirs."""
_FRESH_S = 60.0
_TEXT_MOST = 200


class Troubles:
    """Takes notes; forgets what is over."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._away: tuple[str, float] | None = None
        self._in_a_row: set[str] = set()
        self._refusal = ""
        self._refused_at = 0.0
        self._pending: dict[str, str] = {}
        """What is refused, but tried again."""

    # What the persistence actor has met.

    def away(self, error: BaseException) -> None:
        """Note that the store can't be used."""
        since = self._clock.monotonic() if self._away is None else self._away[1]
        self._away = (_text_of(error), since)

    def refused(self, operation: Operation, error: BaseException, *, is_tried_again: bool) -> bool:
        """Note that the store refuses to do something. True if that is news."""
        what = named(operation)
        self._in_a_row.add(what)
        self._refusal, self._refused_at = _text_of(error), self._clock.monotonic()
        is_news = what not in self._pending
        if is_tried_again:
            self._pending[what] = self._refusal
        return is_news

    def written(self, operations: Iterable[Operation]) -> None:
        """Note that something was written: nothing is wrong with all that is."""
        self._away = None
        self._in_a_row.clear()
        if self._pending:
            for operation in operations:
                self._pending.pop(named(operation), None)

    def forget(self) -> None:
        """Note that nothing is tried again any more."""
        self._away = None
        self._in_a_row.clear()
        self._pending.clear()

    # What health tells.

    def unready(self, patience_s: float) -> str:
        """Return why nothing can be written, if that has lasted for `patience_s` seconds; "" if it can."""
        now = self._clock.monotonic()
        if self._away is not None and now - self._away[1] > patience_s:
            return f"nothing could be written for {now - self._away[1]:.1f} s: {self._away[0]}"
        if len(self._in_a_row) >= _SEVERAL and now - self._refused_at < _FRESH_S:
            return f"its store refuses all that is written: {self._refusal}"
        return ""

    def warnings(self) -> tuple[str, ...]:
        """Return what is wrong with single processes."""
        return tuple(f"the store refuses to write {what}: {why}" for what, why in self._pending.items())


def named(operation: Operation) -> str:
    """Return what an operation is, for people."""
    kind = type(operation).__name__.lower()
    pid = getattr(operation, "pid", None)
    return f"process {pid} ({kind})" if pid is not None else f"the engine's {kind}"


def _text_of(error: BaseException) -> str:
    """Return the driver's own words, one line: where the store is, and what is in it, not all may know."""
    first, *_ = str(error.__cause__ or error).splitlines() or [type(error).__name__]
    return first if len(first) <= _TEXT_MOST else f"{first[:_TEXT_MOST]}..."
