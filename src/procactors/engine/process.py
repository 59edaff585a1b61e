"""The process actor: event in, apply, event out. One for each process that this manager runs.

A step runs in the actor's own task, inside a cancel scope that the control lane is wired to: no second
task, no message to itself, and yet a cancel or a timeout takes hold at once. The message that cut a step
short is received right after it, and says what follows. The actor ends when the process ends or becomes
free (interrupted, asleep, released): a free process costs no memory.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors.actors import Actor, Exit, Message, ReplySlot
from procactors.engine import decide
from procactors.engine.attempt import Attempt, CutShort, Raised, Result, Returned
from procactors.engine.messages import (
    HEARTBEAT,
    PROCESS,
    STEP,
    Begin,
    CommandsArrived,
    Release,
    TimeUp,
    Unwatch,
    Watch,
    Write,
    WriteProgress,
)
from procactors.engine.outcome import failure_of, output_of, overdue
from procactors.errors import OwnershipLostError, ProcactorsError
from procactors.model import event as e
from procactors.model.state import next_call
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState
    from procactors.model.step import Step

_log = logging.getLogger("procactors.engine")

_OWNED = (ProcessStatus.RUNNING, ProcessStatus.CANCELLING)


class ProcessActor(Actor[Message]):
    """Runs one process, as its owner, from its last checkpoint on."""

    def __init__(self, room: Room, pid: str, plan: Process, priority: int) -> None:
        """Make the actor of a process; see `born`, `taken` and `successor`."""
        self.pid = pid
        self.plan = plan
        self._room = room
        self._priority = priority
        self._first: Message = Begin()
        self._insert: b.Insert | None = None
        self._starter: ReplySlot[Any] | None = None
        self._process = 0
        self._epoch = 0
        self._state: ProcessState | None = None
        self._data = msgspec.Raw(b"null")
        self._attempt: Attempt | None = None
        self._scope = anyio.CancelScope()
        self._has_watches = False
        self._is_releasing = False
        self._is_over = False
        self._has_abandoned = False
        self.cause: Message | None = None
        """What the running step was cut short for."""

    @classmethod
    def born(cls, room: Room, insert: b.Insert, starter: ReplySlot[Any]) -> ProcessActor:
        """Return the actor of a process that is still to be stored; `starter` hears what came of it."""
        actor = cls(room, insert.pid, insert.plan, insert.priority)
        actor._insert = insert
        actor._starter = starter
        queued = insert.decision.events[0]
        assert isinstance(queued, e.ProcessQueued)
        actor._data = queued.data
        return actor

    @classmethod
    def taken(cls, room: Room, record: b.Record, state: ProcessState, epoch: int) -> ProcessActor:
        """Return the actor of a stored process that this manager owns under `epoch`, a step begun."""
        actor = cls(room, record.pid, record.plan, record.priority)
        actor._process = record.id
        actor._epoch = epoch
        actor._state = state
        actor._data = record.data
        return actor

    @classmethod
    def successor(cls, room: Room, record: b.Record, cause: Message) -> ProcessActor:
        """Return the actor that settles what another one left, which was abandoned with its step."""
        actor = cls.taken(room, record, record.state, record.epoch)
        actor.cause = actor._first = cause  # noqa: SLF001 - its own class
        actor._has_abandoned = True  # noqa: SLF001 - its own class
        return actor

    def describe(self) -> str | None:
        """Return which step runs now, for people."""
        attempt = self._attempt
        return None if attempt is None else f"{attempt.step.name!r} of process {self.pid}"

    # Messages.

    async def on_start(self) -> None:
        """Begin."""
        self.ref.tell(self._first)

    async def receive(self, message: Message) -> None:
        """Do what comes next, or what somebody wants."""
        if self._is_over:
            return
        try:
            match message:
                case Begin():
                    await self._go_on()
                case CommandsArrived(commands):
                    await self._obey(commands)
                case TimeUp(kind, seq):
                    await self._time_up(kind, seq)
                case Release():
                    await self._release()
        except OwnershipLostError as lost:
            _log.info("%s", lost)
            self._end()

    def on_urgent(self, message: Message) -> None:
        """Cut the running step short if that is what the message wants."""
        if isinstance(message, Release):
            self._is_releasing = True
        attempt = self._attempt
        if attempt is not None and self._cuts(message, attempt):
            self._cut(attempt, message)

    def _cuts(self, message: Message, attempt: Attempt) -> bool:
        match message:
            case Release(now):
                return now
            case CommandsArrived(commands):
                return any(command.kind == "cancel" for command in commands)
            case TimeUp(kind, seq):
                return kind == PROCESS or (seq == attempt.seq and not self._still_beats(kind, attempt))
        return False

    def on_stop_requested(self) -> None:
        """Cut the running step short: this actor is stopped without having been asked to release."""
        if self._attempt is not None:
            self._cut(self._attempt, Release(now=True))

    def _cut(self, attempt: Attempt, cause: Message) -> None:
        if self.cause is None:
            self.cause = cause
            attempt.cut()
            self._room.call_later(self._room.options.grace_s, lambda: self._leave(attempt))

    def _leave(self, attempt: Attempt) -> None:
        """Abandon a step that goes on although it was cancelled long ago: this actor ends with it."""
        if self._attempt is attempt:
            self._cell.abandon()

    async def on_stop(self, _reason: Exit) -> None:
        """Forget the deadlines."""
        if self._has_watches:
            self._unwatch(PROCESS, STEP, HEARTBEAT)

    # The life of a process.

    async def _go_on(self) -> None:
        """Run steps until the process is over or free, or something more urgent waits."""
        if self._insert is not None and not await self._stored(self._insert):
            return
        self._watch_process()
        if self._is_releasing:
            await self._release()
            return
        with anyio.CancelScope() as self._scope:
            result = await self._run_steps()
        if result is not None and not isinstance(result, CutShort):
            await self._append(self._decided(result))  # it was cut, and yet it came to its end
            self._go_on_later()

    async def _run_steps(self) -> Result | None:
        """Run steps until the process is over or free, something urgent waits, or a step is cut short.

        Returns:
            What came of the step that was cut short; None if none was.
        """
        while True:
            attempt = self._new_attempt()
            result = await self._run(attempt)
            if attempt.is_cut or isinstance(result, CutShort):
                return result
            await self._append(self._decided(result))
            if self._is_over or self.has_urgent():
                self._go_on_later()
                return None

    def _go_on_later(self) -> None:
        if not self._is_over:
            self.ref.tell(Begin())

    async def _stored(self, insert: b.Insert) -> bool:
        """Commit the new process, its first step begun; tell the starter. False if the key is taken."""
        assert self._starter is not None
        self._insert = None
        starter, self._starter = self._starter, None
        try:
            outcome = await self._room.persistence.ask(Write(insert, self._room.patience()), timeout=None)
        except ProcactorsError as error:
            starter.fail(error)
            self._end()
            return False
        if type(outcome) is b.Written:
            self._process, self._epoch, self._state = outcome.process, outcome.epoch, outcome.state
        else:
            self._end()
        starter.send(outcome)
        return not self._is_over

    def _new_attempt(self) -> Attempt:
        state = self._now()
        step = self.plan.steps[self.plan.names[state.index]]
        seq, scope = state.seq, self._scope
        return Attempt(self._room, self.pid, step, state.attempt, seq, scope, self._keep_progress)

    async def _run(self, attempt: Attempt) -> Result:
        step = attempt.step
        self._attempt = attempt
        self._watch_step(step, attempt)
        try:
            return await attempt.run(self._data)
        finally:
            self._attempt = None
            if step.timeout is not None or step.heartbeat is not None:
                self._unwatch(STEP, HEARTBEAT)

    def _decided(self, result: Returned | Raised) -> b.Decision:
        """Return what the end of a step leads to."""
        state, at = self._now(), self._room.at()
        step = self.plan.steps[self.plan.names[state.index]]
        error: BaseException
        if isinstance(result, Raised):
            error = result.error
        else:
            try:
                output = output_of(result.value, step, self._room.options.payload_limit_bytes)
                decision = decide.after_success(self.plan, state, output.data, output.interrupt, at)
            except Exception as refusal:  # noqa: BLE001 - an output that can't be stored fails the step
                error = refusal
            else:
                self._data = output.data
                return self._or_released(decision)
        failure = failure_of(error, step.name, state.attempt)
        draw = self._room.ids.random.random()
        return decide.after_failure(self.plan, state, failure, at, draw)

    def _or_released(self, decision: b.Decision) -> b.Decision:
        """Release instead of beginning another step, if this manager is closing."""
        if not self._is_releasing or not isinstance(decision.events[-1], e.StepStarted):
            return decision
        return self._instead(decision, e.ProcessReleased(at=self._room.at()))

    def _instead(self, decision: b.Decision, *events: ProcessEvent) -> b.Decision:
        """Keep what a decision says of the step that has ended, and let `events` follow."""
        ended = [event for event in decision.events if isinstance(event, e.StepFinished | e.StepFailed)]
        return decide.advance(self.plan, self._now(), *ended, *events)

    # Ends that come from outside.

    async def _obey(self, commands: tuple[b.Command, ...]) -> None:
        """Apply commands that have arrived while no step runs; the store knows which still count."""
        if any(command.kind == "cancel" for command in commands):
            state = self._now()
            await self._append(b.Decision((), state), commands)

    async def _time_up(self, kind: str, seq: int) -> None:
        state, at = self._now(), self._room.at()
        abandoned = self._has_abandoned
        if kind == PROCESS:
            timed_out = decide.timed_out(self.plan, state, at, abandoned=abandoned)
            await self._append(decide.advance(self.plan, state, timed_out))
        elif state.in_step and seq == state.seq and self.cause is not None:
            step = self.plan.steps[self.plan.names[state.index]]
            is_heartbeat = kind == HEARTBEAT
            failure = overdue(step, state.attempt, is_heartbeat=is_heartbeat, abandoned=abandoned)
            draw = self._room.ids.random.random()
            await self._append(decide.after_failure(self.plan, state, failure, at, draw))

    async def _release(self) -> None:
        released = e.ProcessReleased(at=self._room.at())
        await self._append(decide.advance(self.plan, self._now(), released))

    # Writing.

    async def _append(self, decision: b.Decision, commands: tuple[b.Command, ...] = ()) -> None:
        """Commit a decision, or what it becomes if somebody has wanted something else before."""
        while True:
            if commands:
                decision = self._with_commands(decision, commands)
            state = decision.state
            owner = self._room.member.id if state.status in _OWNED else None
            append = b.Append(
                process=self._process,
                pid=self.pid,
                epoch=self._epoch,
                decision=decision,
                priority=self._priority,
                owner=owner,
                call=next_call(state, self.plan) if owner is None else None,
                commands=tuple(command.id for command in commands),
            )
            outcome = await self._room.persistence.ask(Write(append), timeout=None)
            if type(outcome) is b.Written:
                break
            if type(outcome) is b.Stale:
                raise OwnershipLostError(
                    f"process {self.pid} is run by another manager now (epoch {outcome.epoch}, this one had"
                    f" {self._epoch}); this manager has stopped running it",
                    pid=self.pid,
                )
            commands = outcome.commands
        self._state = state
        if owner is None:
            self._end()
            if not state.status.is_ended:
                self._room.look_again()

    def _with_commands(self, decision: b.Decision, commands: tuple[b.Command, ...]) -> b.Decision:
        """Return the decision as the first cancel among the commands changes it."""
        for command in commands:
            if command.kind == "cancel":
                reason = msgspec.json.decode(command.body).get("reason", "")
                at = self._room.at()
                requested = e.ProcessCancelRequested(at=at, reason=reason)
                return self._instead(decision, requested, e.ProcessCancelled(at=at, reason=reason))
        return decision

    def _keep_progress(self, progress: e.StepProgressed) -> None:
        operation = b.SaveProgress(self._process, self._epoch, progress.seq, e.encode_body(progress))
        self._room.persistence.tell(WriteProgress(self.pid, operation, progress))

    def _now(self) -> ProcessState:
        assert self._state is not None
        return self._state

    def _end(self) -> None:
        self._is_over = True
        self.stop()

    # Deadlines.

    def _watch_process(self) -> None:
        deadline_at = self._now().deadline_at
        if deadline_at is not None and not self._has_watches:
            self._watch(PROCESS, self._room.monotonic(deadline_at), TimeUp(PROCESS))

    def _watch_step(self, step: Step, attempt: Attempt) -> None:
        if step.timeout is not None:
            self._watch(STEP, attempt.beaten_at + step.timeout, TimeUp(STEP, attempt.seq))
        if step.heartbeat is not None:
            self._watch(HEARTBEAT, attempt.beaten_at + step.heartbeat, TimeUp(HEARTBEAT, attempt.seq))

    def _still_beats(self, kind: str, attempt: Attempt) -> bool:
        """Tell whether a missed heartbeat was not missed after all; then watch for the next one."""
        heartbeat = attempt.step.heartbeat
        if kind != HEARTBEAT or heartbeat is None:
            return False
        due = attempt.beaten_at + heartbeat
        if due <= self._room.clock.monotonic():
            return False
        self._watch(HEARTBEAT, due, TimeUp(HEARTBEAT, attempt.seq))
        return True

    def _watch(self, kind: str, deadline: float, message: TimeUp) -> None:
        self._has_watches = True
        self._room.watchdog.tell(Watch((self.pid, kind), deadline, self.ref, message))

    def _unwatch(self, *kinds: str) -> None:
        for kind in kinds:
            self._room.watchdog.tell(Unwatch((self.pid, kind)))
