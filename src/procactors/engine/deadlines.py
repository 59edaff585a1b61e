"""The deadlines of one process, as its actor sets them with the watchdog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors._clock import is_past
from procactors.engine.messages import HEARTBEAT, PROCESS, STEP, TimeUp, Unwatch, Watch

if TYPE_CHECKING:
    from procactors.actors import ActorRef
    from procactors.engine.attempt import Attempt
    from procactors.engine.room import Room


class Deadlines:
    """Sets and forgets them; most processes have one, for the whole of their life."""

    __slots__ = ("_actor", "_pid", "_room", "_set")

    def __init__(self, room: Room, pid: str, actor: ActorRef[Any]) -> None:
        """Begin without any; `actor` is told when one has passed."""
        self._room = room
        self._pid = pid
        self._actor = actor
        self._set: tuple[str, ...] = ()

    def watch_process(self, deadline_at: float | None) -> None:
        """Watch over the process's own deadline, an instant of the store's clock."""
        if deadline_at is not None:
            self._watch(PROCESS, self._room.monotonic(deadline_at), 0)
        else:
            self._forget(PROCESS)

    def watch_step(self, attempt: Attempt) -> None:
        """Watch over time and heartbeats of an attempt, from now or from when a worker is free for it."""
        step = attempt.step
        if step.executor == "process" and attempt.on_begun is None:
            attempt.on_begun = lambda: self.watch_step(attempt)
            return
        if step.timeout is not None:
            self._watch(STEP, attempt.beaten_at + step.timeout, attempt.seq)
        if step.heartbeat is not None:
            self._watch(HEARTBEAT, attempt.beaten_at + step.heartbeat, attempt.seq)

    def still_beats(self, attempt: Attempt) -> bool:
        """Tell whether a missed heartbeat was not missed after all; then watch for the next one."""
        assert attempt.step.heartbeat is not None
        due = attempt.beaten_at + attempt.step.heartbeat
        if is_past(due, self._room.clock.monotonic()):
            return False
        self._watch(HEARTBEAT, due, attempt.seq)
        return True

    def forget_step(self, attempt: Attempt) -> None:
        """Forget what `watch_step` has set."""
        if attempt.step.timeout is not None or attempt.step.heartbeat is not None:
            self._forget(STEP, HEARTBEAT)

    def forget_all(self) -> None:
        """Forget everything."""
        self._forget(PROCESS, STEP, HEARTBEAT)

    def _watch(self, kind: str, deadline: float, seq: int) -> None:
        if kind not in self._set:
            self._set += (kind,)
        self._room.watchdog.tell(Watch((self._pid, kind), deadline, self._actor, TimeUp(kind, seq)))

    def _forget(self, *kinds: str) -> None:
        for kind in kinds:
            if kind in self._set:
                self._set = tuple(one for one in self._set if one != kind)
                self._room.watchdog.tell(Unwatch((self._pid, kind)))
