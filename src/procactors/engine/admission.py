"""Who may start now. Pure."""

from __future__ import annotations


class Admission:
    """The slots of one manager.

    Attributes:
        has_waiting: Whether something may be waiting in the store for a slot; a new process goes behind it.
    """

    def __init__(self, max_running: int) -> None:
        """Offer `max_running` slots; what waits in the store is not known yet."""
        self.max_running = max_running
        self.has_waiting = True
        self._has_news = False

    def free(self, running: int) -> int:
        """Return how many slots are free."""
        return max(0, self.max_running - running)

    def admits(self, running: int) -> bool:
        """Tell whether a new process may run at once; if not, it will wait in the store."""
        if self.free(running) and not self.has_waiting:
            return True
        self.has_waiting = True
        return False

    def note_queued(self) -> None:
        """Learn that a process was queued."""
        self.has_waiting = self._has_news = True

    def begin_claim(self) -> None:
        """Note what is learnt from now on: a claim need not have seen it."""
        self._has_news = False

    def note_claim(self, asked: int, got: int) -> None:
        """Learn from a claim: fewer than asked for means that nothing that it has seen waits any more."""
        self.has_waiting = got >= asked or self._has_news
