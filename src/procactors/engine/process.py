"""The process actor: event in, apply, event out. One for each process that this manager runs.

A step runs in the actor's own task, inside a cancel scope that the control lane is wired to: no second
task, no message to itself, and yet a cancel or a timeout takes hold at once. The message that cut a step
short is received right after it, and says what follows. The actor ends when the process ends or becomes
free (interrupted, asleep, released): a free process costs no memory.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from procactors.actors import CONTROL, SIGNALS, WORK, Actor, Exit, Lane, Message, ReplySlot
from procactors.engine.attempt import Attempt
from procactors.engine.children import Parent
from procactors.engine.deadlines import Deadlines
from procactors.engine.decisions import cutting, ending, taking
from procactors.engine.decisions.advance import advance
from procactors.engine.journal import Journal
from procactors.engine.messages import (
    HEARTBEAT,
    PROCESS,
    Begin,
    CommandsArrived,
    KeepSlot,
    Release,
    TimeUp,
    WriteProgress,
)
from procactors.engine.step_ends import StepEnds
from procactors.errors import OwnershipLostError
from procactors.executors._executor import NORMAL, CutShort, Ending, Returned, StepOutcome
from procactors.model import event as e
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.engine.room import Room
    from procactors.model.definition import Process
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decision, Record

_log = logging.getLogger("procactors.engine")


class ProcessActor(Actor[Message]):
    """Runs one process, as its owner, from its last checkpoint on."""

    lanes: ClassVar[Sequence[Lane]] = (SIGNALS, CONTROL, WORK)
    """A deadline that has passed is told by a signal, and goes before what others want."""
    _deadlines: Deadlines
    _scope: anyio.CancelScope
    _begun_seq = 0

    def __init__(
        self, room: Room, pid: str, plan: Process, priority: int, depth: int, parent_pid: str | None
    ) -> None:
        """Make the actor of a process; see `born`, `taken` and `successor`."""
        self.pid = pid
        self.parent_pid = parent_pid
        self.cause: Message | None = None
        """What the running step was cut short for."""
        self.had_children = False
        """Whether this manager has seen it start, or wait for, children."""
        self._room = room
        self._plan = plan
        self._journal = Journal(room, pid, plan, priority)
        self._first: Message = Begin()
        self._birth: tuple[b.Insert, ReplySlot[Any]] | None = None
        self._ends = StepEnds(room, plan, self._journal)
        self._attempt: Attempt | None = None
        self._depth = depth
        self._ended: Attempt | None = None
        self._ending = NORMAL

    @classmethod
    def born(cls, room: Room, insert: b.Insert, starter: ReplySlot[Any]) -> ProcessActor:
        """Return the actor of a process that is still to be stored; `starter` hears what came of it."""
        queued = insert.decision.events[0]
        assert isinstance(queued, e.ProcessQueued)
        actor = cls(room, insert.pid, insert.plan, insert.priority, insert.depth, queued.parent_pid)
        actor._birth = insert, starter
        actor._ends.data = queued.data
        return actor

    @classmethod
    def taken(cls, room: Room, record: Record, state: ProcessState, epoch: int) -> ProcessActor:
        """Return the actor of a stored process that this manager owns under `epoch`, a step begun."""
        actor = cls(room, record.pid, record.plan, record.priority, record.depth, record.parent_pid)
        actor._journal.open(record.id, epoch, state)
        actor._ends.data = record.data
        return actor

    @classmethod
    def successor(cls, room: Room, record: Record, cause: Message) -> ProcessActor:
        """Return the actor that settles what another one left, which was abandoned with its step."""
        actor = cls.taken(room, record, record.state, record.epoch)
        actor.cause = actor._first = cause  # noqa: SLF001 - its own class
        actor._ending = Ending(abandoned=True)  # noqa: SLF001 - its own class
        if isinstance(cause, TimeUp):
            actor._begun_seq = cause.seq  # noqa: SLF001 - its own class
        return actor

    def may_return(self, ends: int, *, one_failed: bool) -> bool:
        """Tell whether it waits for its children, and goes on when so many have ended, or one has failed."""
        return self._attempt is not None and self._attempt.may_return(ends, one_failed=one_failed)

    @property
    def has_failed(self) -> bool:
        """Whether the process has ended, and did not finish."""
        if not self._journal.is_stored:
            return False
        status = self._journal.state.status
        return status.is_ended and status is not ProcessStatus.FINISHED

    @property
    def is_over(self) -> bool:
        """Whether it has nothing more to do with the process."""
        return self._journal.is_over

    @property
    def is_limited(self) -> bool:
        """Whether its end lets another one run that the same limits hold back."""
        return self._plan.limits is not None

    def describe(self) -> str | None:
        """Return which step runs now, for people. May be called from any thread."""
        attempt = self._attempt
        return None if attempt is None else f"{attempt.step.name!r} of process {self.pid}"

    # Messages.

    async def on_start(self) -> None:
        """Begin."""
        self._deadlines = Deadlines(self._room, self.pid, self.ref)
        self.ref.tell(self._first)

    async def receive(self, message: Message) -> None:
        """Do what comes next, or what somebody wants."""
        if self._journal.is_over:
            return
        try:
            match message:
                case Begin():
                    await self._go_on()
                case CommandsArrived(commands) if self._journal.obeys(commands):
                    await self._journal.commit(self._cut_off(), commands)
                case TimeUp(kind, seq):
                    await self._time_up(kind, seq)
                case Release():
                    await self._release()
        except OwnershipLostError as lost:
            _log.info("%s", lost)
        if self._journal.is_over:
            self.stop()

    def on_urgent(self, message: Message) -> None:
        """Cut the running step short if that is what the message wants."""
        if isinstance(message, Release):
            self._ends.is_releasing = True
        attempt = self._attempt
        if attempt is not None and self._cuts(message, attempt):
            self._cut(attempt, message)

    def _cuts(self, message: Message, attempt: Attempt) -> bool:
        match message:
            case Release(now):
                return now or attempt.is_waiting
            case CommandsArrived(commands):
                return self._journal.obeys(commands)
            case TimeUp(kind, seq):
                is_its_own = kind == PROCESS or (seq == attempt.seq and not attempt.is_over)
                return is_its_own and not (kind == HEARTBEAT and self._deadlines.still_beats(attempt))
        return False

    def on_stop_requested(self) -> None:
        """Cut the running step short: this actor is stopped without having been asked to release."""
        if self._attempt is not None:
            self._cut(self._attempt, Release(now=True))

    def _cut(self, attempt: Attempt, cause: Message) -> None:
        if self.cause is None:
            self.cause = cause
            attempt.cut()
            if isinstance(cause, CommandsArrived):
                self.spawn(self._journal.announcing(cause.commands), name="announce")
            patience_s = self._room.options.grace_s + attempt.stop_s
            self._room.call_later(patience_s, lambda: self._leave(attempt))

    def _leave(self, attempt: Attempt) -> None:
        """Abandon a step that goes on although it was cancelled long ago: this actor ends with it."""
        if self._attempt is attempt:
            self._cell.abandon()

    async def on_stop(self, _reason: Exit) -> None:
        """Forget the deadlines, and the last attempt: it refers back to this, in a cycle."""
        self._deadlines.forget_all()
        self._ended = None

    # The life of a process.

    async def _store_if_new(self) -> bool:
        """Store the process if it is new, and let go of what was stored. False: it is not to be run here."""
        birth, self._birth = self._birth, None
        return birth is None or await self._journal.store(*birth)

    async def _go_on(self) -> None:
        """Run steps until the process is over or free, or something more urgent waits."""
        if not await self._store_if_new():
            return
        if self._ends.is_releasing:
            await self._release()
            return
        self.cause = None
        self._deadlines.watch_process(self._journal.state.deadline_at)
        if not self._journal.state.in_step:
            await self._ends.go_on()
            if self._journal.is_over:
                return
        with anyio.CancelScope() as self._scope:
            result = await self._run_steps()
        if result is not None:
            await self._journal.announced()
        if isinstance(result, Returned) and not isinstance(self.cause, TimeUp):
            assert self._ended is not None
            # It was cut short, and yet it has returned.
            await self._ends.commit(result, self._ended, waits=False)
            self._go_on_later()
        elif self._ended is not None:
            if isinstance(result, Returned):
                self._ended.deferral.drop("its process ran into its timeout as the step returned")
            self._ended.leave_transaction()

    async def _run_steps(self) -> StepOutcome | None:
        """Run steps until the process is over or free, something urgent waits, or a step is cut short.

        Returns:
            What came of the step that was cut short; None if none was.
        """
        while True:
            result, was_cut = await self._run_step()
            if was_cut:
                return result
            if not await self._conclude(result):
                return CutShort()
            if self._journal.is_over or self.has_urgent():
                self._go_on_later()
                return None

    def _go_on_later(self) -> None:
        if not self._journal.is_over:
            self.ref.tell(Begin())

    async def _run_step(self) -> tuple[StepOutcome, bool]:
        """Run the current step; return what came of it, and whether it was cut short."""
        attempt = self._attempt = Attempt(
            self._room, self.pid, self._plan, self._journal.state, self._scope, self
        )
        self._begun_seq = attempt.seq
        self._deadlines.watch_step(attempt)
        result: StepOutcome = CutShort()
        try:
            result = await attempt.run(self._ends.data)
        finally:
            if attempt.is_waiting:
                self._room.supervisor.tell(KeepSlot(self.pid))
            self._attempt = None
            self._ended = attempt
            self._ending = attempt.ending
            self._deadlines.forget_step(attempt)
            if not isinstance(result, Returned):
                attempt.deferral.drop("its step did not return")
                attempt.leave_transaction()
        return result, attempt.is_cut

    async def _conclude(self, result: StepOutcome) -> bool:
        """Commit the end of a step, and have done what it has deferred; False if that was cut short."""
        attempt = self._ended
        assert attempt is not None
        if not await self._ends.commit(result, attempt):
            return True
        if self.has_urgent():
            attempt.deferral.leave()
            return True
        self._attempt = attempt
        try:
            await attempt.run_postsend()
        finally:
            self._attempt = None
        if attempt.is_cut:  # though all may have been done by then
            return False
        await self._ends.go_on(attempt.deferral.take_failures())
        return True

    # Ends that come from outside.

    async def _time_up(self, kind: str, seq: int) -> None:
        state, at = self._journal.state, self._room.at()
        if self._is_cancelling:
            return  # the cancel that is recorded already comes next
        if kind == PROCESS and state.index == len(self._plan.names):
            await self._ends.go_on()  # only what the last step has deferred was not done in time
        elif kind == PROCESS:
            timed_out = ending.timed_out(self._plan, state, at, self._ending)
            await self._journal.commit(advance(self._plan, state, timed_out))
        elif state.in_step and seq == self._begun_seq and self.cause == TimeUp(kind, seq):
            draw, is_heartbeat = self._room.ids.random.random(), kind == HEARTBEAT
            failed = cutting.overdue(self._plan, state, self._ending, at, draw, is_heartbeat=is_heartbeat)
            await self._journal.commit(failed)

    def _cut_off(self) -> Decision:
        return cutting.cut_off(self._plan, self._journal.state, self._ending, self._room.at())

    async def _release(self) -> None:
        self._ends.is_releasing = True
        if self._birth is not None:
            return  # it is released as soon as it is stored
        state, ended = self._journal.state, self._cut_off().events
        await self._journal.commit(taking.released(self._plan, state, self._room.at(), *ended))

    @property
    def _is_cancelling(self) -> bool:
        return self._journal.state.status is ProcessStatus.CANCELLING

    # Children.

    def parent(self) -> Parent:
        """Return it as the parent of the running attempt's children."""
        self.had_children = True
        state = self._journal.state
        return Parent(
            self.pid, self._journal.process, self._depth, self._note, self.is_limited, state.rewound_seq
        )

    async def _note(self, event: e.ProcessEvent) -> None:
        """Commit an event in the middle of a step; if somebody has cancelled the process, wait for that."""
        attempt = self._attempt
        outcome = None
        if not self._is_cancelling:
            outcome = await self._journal.note(event)
        if type(outcome) is b.CommandsWaiting:
            self.ref.tell(CommandsArrived(outcome.commands))
        if type(outcome) is not b.Written or attempt is None:
            await anyio.sleep_forever()
            return
        attempt.last_seq = self._journal.state.seq
        self._deadlines.watch_process(self._journal.state.deadline_at)

    def keep_progress(self, progress: e.StepProgressed) -> None:
        """Store what the running step says of its progress."""
        operation = self._journal.keep_progress(progress)
        self._room.persistence.tell(WriteProgress(self.pid, operation, progress))
