"""The actor that runs the queues of many scopes, from a mailbox with a lane per stage.

PRESEND work of any scope comes before POSTSEND work of any other; scopes run side by side up to a
limit, each by itself. What an update is, and in which order those of one scope run, is known to
`DeferredUpdates` alone. The actor never waits: what has no place yet is in a staged mailbox of its own.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from procactors.actors import (
    CONTROL,
    SIGNALS,
    Actor,
    Failed,
    Lane,
    Message,
    Overflow,
    Request,
    StagedMailbox,
    TaskEnded,
)
from procactors.deferred._report import Report
from procactors.deferred._stage import Stage
from procactors.errors import ActorStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from procactors.actors import Exit, ReplySlot
    from procactors.deferred._queue import DeferredUpdates

_log = logging.getLogger("procactors.deferred")

_PRESEND = Lane("presend", overflow=Overflow.COALESCE)
_POSTSEND = Lane("postsend", overflow=Overflow.COALESCE)


class RunScope(Request[Report], frozen=True):
    """Run one stage of one scope.

    Attributes:
        updates: The queue of the scope.
        number: 0: one such message is enough for a scope; else somebody waits for this one.
    """

    stage: ClassVar[Stage]
    updates: DeferredUpdates
    number: int = 0

    def coalesce_key(self) -> Hashable:
        """One per scope, but for those that somebody waits for."""
        return (id(self.updates), self.number)


class RunPresend(RunScope, frozen=True):
    """Run PRESEND."""

    lane: ClassVar[str] = _PRESEND.name
    stage: ClassVar[Stage] = Stage.PRESEND


class RunPostsend(RunScope, frozen=True):
    """Run POSTSEND, and what PRESEND has left."""

    lane: ClassVar[str] = _POSTSEND.name
    stage: ClassVar[Stage] = Stage.POSTSEND


class Drain(Request[None], frozen=True):
    """Answer when nothing is left to run, or `seconds` are over."""

    lane: ClassVar[str] = CONTROL.name
    seconds: float


class DrainIsOver(Message, frozen=True):
    """The time for draining is over."""

    lane: ClassVar[str] = CONTROL.name


class Held:
    """The scopes that a scheduler holds, and what came of them; outlives a restart of the actor."""

    __slots__ = ("failures", "lost", "report", "rescue", "running", "scopes", "waiting")

    def __init__(self, rescue: Callable[[Any], Any] | None) -> None:
        """Begin with none; `rescue` is offered what is cut off."""
        self.rescue = rescue
        self.scopes: dict[DeferredUpdates, bool] = {}
        """True: handed in, to be held until nothing of it is left; False: only while a run is asked for."""
        self.report = Report()
        self.failures: Counter[str] = Counter()
        self.running = 0
        self.waiting = 0
        self.lost = 0

    def note(self, updates: DeferredUpdates, report: Report | None) -> None:
        """Count what came of a run; None: it raised."""
        self.report += updates.take_report() if report is None else report
        self.failures.update(updates.take_failures() or ())

    async def part_with_all(self) -> None:
        """Hand over what is left of all scopes; log what nobody takes.

        Cancellation: what was not handed over is logged.
        """
        for updates in self.scopes:
            updates.close()
        try:
            for updates in self.scopes:
                self.lost += await updates.hand_over(self.rescue)
        finally:
            for updates in self.scopes:
                self.lost += updates.discard("the scheduler stopped before it had run", even_always=True)
            self.scopes.clear()
            self.running = self.waiting = 0


class SchedulerActor(Actor[Message]):
    """Runs scopes side by side, stage first, arrival second."""

    lanes: ClassVar[Sequence[Lane]] = (CONTROL, SIGNALS, _PRESEND, _POSTSEND)

    def __init__(self, held: Held, max_running: int) -> None:
        """Run at most `max_running` scopes at a time."""
        self._held = held
        self._max_running = max_running
        self._ready = StagedMailbox((_PRESEND, _POSTSEND))
        self._active: dict[DeferredUpdates, list[tuple[RunScope, ReplySlot[Report] | None]]] = {}
        self._names: dict[str, DeferredUpdates] = {}
        self._runs = 0
        self._drains: list[ReplySlot[None]] = []

    async def on_start(self) -> None:
        """Take up the scopes that an actor before this one has left."""
        for updates in self._held.scopes:
            self._enqueue(RunPostsend(updates), None)
        self._start_what_may()

    async def receive(self, message: Message) -> None:
        """Note what is to be run, and start what may be."""
        match message:
            case RunScope():
                self._enqueue(message, self.take_reply())
            case TaskEnded():
                self._ended(self._names.pop(message.name))
            case Drain():
                slot = self.take_reply()
                assert slot is not None, "somebody waits for it"
                self._drains.append(slot)
                self.set_timer("drain", message.seconds, DrainIsOver())
            case _:  # DrainIsOver
                self._answer_drains()
        self._start_what_may()

    def _enqueue(self, message: RunScope, slot: ReplySlot[Report] | None) -> None:
        waiting = self._active.get(message.updates)
        if waiting is not None:
            waiting.append((message, slot))
        else:
            self._ready.put((message, slot), message)

    def _start_what_may(self) -> None:
        while len(self._active) < self._max_running:
            ready = self._ready.take()
            if ready is None:
                break
            message, slot = ready
            if message.updates in self._active:
                self._active[message.updates].append(ready)
                continue
            self._active[message.updates] = []
            self._runs += 1
            name = f"scope {self._runs}"
            self._names[name] = message.updates
            self.spawn(self._run, message, slot, name=name)
        self._held.running = len(self._active)
        self._held.waiting = len(self._ready)
        if not self._held.scopes:
            self._answer_drains()

    def _ended(self, updates: DeferredUpdates) -> None:
        waiting = self._active.pop(updates)
        for message, slot in waiting:
            self._enqueue(message, slot)
        is_held = self._held.scopes.get(updates, False) and updates.pending_count()
        if not waiting and not is_held:
            self._held.scopes.pop(updates, None)

    def _answer_drains(self) -> None:
        for slot in self._drains:
            slot.send(None)
        self._drains.clear()

    async def _run(self, message: RunScope, slot: ReplySlot[Report] | None) -> None:
        updates = message.updates
        report: Report | None = None
        try:
            if updates.opportunistic and message.number == 0:
                await updates.try_opportunistic_run()
                report = updates.take_report()
            else:
                report = await updates.run(message.stage)
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits, or into the log
            if slot is not None:
                slot.fail(error)
                return
            _log.exception("the run of a scope's deferred updates ended by an error")
            if not updates.opportunistic:
                self.ref.tell(message)  # what caused the error is gone, what is left has its turn yet
        finally:
            self._held.note(updates, report)
            if slot is not None:
                slot.send(report) if report is not None else slot.fail(_stopped())

    async def on_stop(self, reason: Exit) -> None:
        """Part with what is left; if this actor has failed, its successor or its owner does."""
        left = [ready for waiting in self._active.values() for ready in waiting]
        while self._ready:
            left.append(self._ready.take())
        for _, slot in left:
            if slot is not None:
                slot.fail(_stopped())
        if not isinstance(reason, Failed):
            await self._held.part_with_all()


def _stopped() -> ActorStoppedError:
    return ActorStoppedError("the scheduler of deferred updates has stopped")
