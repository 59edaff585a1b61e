"""Who may start now: the slots of one manager. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from procactors.actors import ReplySlot


class Admission:
    """The slots, and who stands in line for one.

    Attributes:
        has_waiting: Whether something may be waiting in the store for a slot; a new process goes behind it.
    """

    def __init__(self, max_running: int) -> None:
        """Offer `max_running` slots; what waits in the store is not known yet."""
        self.max_running = max_running
        self.has_waiting = True
        self._has_news = False
        self._claiming = 0
        self._without_slot: set[str] = set()
        self._returning: deque[tuple[str, ReplySlot[Any]]] = deque()

    def free(self, running: int) -> int:
        """Return how many slots are free, of `running` processes some being without one."""
        busy = running - len(self._without_slot) + self._claiming
        return max(0, self.max_running - busy)

    def has_slot(self, running: int) -> bool:
        """Tell whether a new process may run at once."""
        return not self.has_waiting and not self._returning and self.free(running) > 0

    def admits(self, running: int) -> bool:
        """Tell the same of one that asks to run; if it may not, note that it will wait in the store."""
        if self.has_slot(running):
            return True
        self.has_waiting = True
        return False

    # The queue in the store.

    def note_queued(self) -> None:
        """Learn that a process was queued."""
        self.has_waiting = self._has_news = True

    def begin_claim(self, running: int) -> int:
        """Return how many to claim: all free slots, which are kept for them until the claim is back."""
        self._has_news = False
        self._claiming = self.free(running)
        return self._claiming

    def end_claim(self) -> None:
        """Give up the slots that were kept for a claim."""
        self._claiming = 0

    def note_claim(self, asked: int, got: int) -> None:
        """Learn from a claim: fewer than asked for means that nothing that it has seen waits any more."""
        self.has_waiting = got >= asked or self._has_news

    # Those who wait for their children.

    def give_back(self, pid: str) -> None:
        """Note that a running process needs no slot for a while."""
        self._without_slot.add(pid)

    def stand_in_line(self, pid: str, reply: ReplySlot[Any]) -> None:
        """Note that it wants one again, before anything that is queued."""
        self._returning.append((pid, reply))

    def next_to_return(self, running: int) -> ReplySlot[Any] | None:
        """Give a free slot to the first in line; return its reply, or None if there is no slot or nobody."""
        while self._returning and self.free(running):
            pid, reply = self._returning.popleft()
            if not reply.is_given_up and pid in self._without_slot:
                self._without_slot.discard(pid)
                return reply
        return None

    def forget(self, pid: str) -> None:
        """Note that a process runs here no more."""
        self._without_slot.discard(pid)
