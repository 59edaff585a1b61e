"""An owner's writes for its process: fenced by epoch, and by what others have wanted meanwhile."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors.engine.decisions.advance import advance
from procactors.engine.decisions.ending import cancelled
from procactors.engine.messages import Write
from procactors.errors import OwnershipLostError, ProcactorsError
from procactors.model import event as e
from procactors.model.event_body import encode_body
from procactors.model.state import is_owned, next_call
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.actors import ReplySlot
    from procactors.engine.room import Room
    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState
    from procactors.stores._record import Decision

_ENDS = (e.StepFinished, e.StepFailed, e.DeferredUpdateFailed)


class Journal:
    """Commits decisions on one process, under one epoch.

    Attributes:
        state: What the process's events fold into, as of the last commit.
        process: The store's number of it.
        is_over: True once the process is over, or free, or another manager's.
    """

    __slots__ = (
        "_announced", "_epoch", "_in_step", "_pid", "_plan", "_priority", "_room", "is_over", "process",
        "state",
    )  # fmt: skip

    def __init__(self, room: Room, pid: str, plan: Process, priority: int) -> None:
        """Begin for a process that is still to be stored; see `open`."""
        self._room = room
        self._pid = pid
        self._plan = plan
        self._priority = priority
        self.process = 0
        self._epoch = 0
        self._announced: anyio.Event | None = None
        self._in_step: anyio.Lock | None = None
        self.state: ProcessState
        self.is_over = False

    def open(self, process: int, epoch: int, state: ProcessState) -> None:
        """Take up a process that is stored under the number `process`, and owned under `epoch`."""
        self.process, self._epoch, self.state = process, epoch, state

    @property
    def is_stored(self) -> bool:
        """Whether there is a `state`; not if the process was to be stored, and could not be."""
        return self._epoch > 0

    async def store(self, insert: b.Insert, starter: ReplySlot[Any]) -> bool:
        """Store the process itself, and tell the starter. False: it is not ours to run, or was not stored.

        Cancellation: the starter hears nothing; it is the actor's task that is cancelled.
        """
        try:
            outcome = await self._room.persistence.ask(Write(insert, self._room.patience()), timeout=None)
        except ProcactorsError as error:
            self.is_over = True
            starter.fail(error)
            return False
        if type(outcome) is b.Written:
            self.open(outcome.process, outcome.epoch, outcome.state)
        else:
            self.is_over = True
        starter.send(outcome)
        return not self.is_over

    async def commit(
        self,
        decision: Decision,
        commands: tuple[b.Command, ...] = (),
        beside: b.Beside = b.NOTHING,
    ) -> BaseException | None:
        """Commit a decision, or what it becomes if somebody has wanted something else before.

        Args:
            decision: What is to happen.
            commands: What others want, as far as it is known.
            beside: What is written with it.

        Returns:
            The error of what was to be written beside it; nothing was written then.

        Raises:
            OwnershipLostError: Another manager owns the process now; nothing was written.
        """
        while True:
            if commands:
                decision = self._obeying(decision, commands)
            append = self._append(decision, commands, beside)
            outcome = await self._room.persistence.ask(Write(append), timeout=None)
            if type(outcome) is b.Written:
                break
            if type(outcome) is b.GuestFailed:
                return outcome.error
            if type(outcome) is b.Stale:
                self.is_over = True
                self._room.observer.process_lost(self._pid)
                raise self._lost(outcome)
            commands = outcome.commands
        self.state = decision.state
        self.is_over = not is_owned(self.state)
        if beside.brings:
            self._room.note_queued()
        if self.is_over and (outcome.lets_start or not self.state.status.is_ended):
            self._room.look_again()
        return None

    def _append(
        self, decision: Decision, commands: tuple[b.Command, ...], beside: b.Beside = b.NOTHING
    ) -> b.Append:
        stays = is_owned(decision.state)
        return b.Append(
            process=self.process,
            pid=self._pid,
            name=self._plan.name,
            epoch=self._epoch,
            decision=decision,
            priority=self._priority,
            owner=self._room.member.id if stays else None,
            call=None if stays else next_call(decision.state, self._plan),
            commands=tuple(command.id for command in commands),
            brings=beside.brings,
            guests=beside.guests,
            within=beside.within,
        )

    def _lost(self, stale: b.Stale) -> OwnershipLostError:
        return OwnershipLostError(
            f"process {self._pid} is run by another manager now (epoch {stale.epoch}, this one had"
            f" {self._epoch}): this manager has stopped running it",
            pid=self._pid,
        )

    def obeys(self, commands: tuple[b.Command, ...]) -> bool:
        """Tell whether one of them cancels the process; one that is being undone can't be cancelled."""
        return self.state.undo is None and _reason_in(commands) is not None

    def _obeying(self, decision: Decision, commands: tuple[b.Command, ...]) -> Decision:
        """Return the decision as the first cancel among the commands changes it."""
        reason = _reason_in(commands)
        if reason is None or not self.obeys(commands):
            return decision
        return cancelled(self._plan, self.state, reason, self._room.at(), *_ends_in(decision))

    def announcing(self, commands: tuple[b.Command, ...]) -> Callable[[], Awaitable[None]]:
        """Return what lets everyone know of a cancel while the step is still ending; see `announced`."""
        self._announced = anyio.Event()
        return functools.partial(self._announce, commands, self._announced)

    async def announced(self) -> None:
        """Wait until everyone knows, if a cancel is being announced: until then the state is in flux."""
        if self._announced is not None:
            await self._announced.wait()

    async def _announce(self, commands: tuple[b.Command, ...], done: anyio.Event) -> None:
        reason = _reason_in(commands)
        assert reason is not None
        try:
            await self.note(e.ProcessCancelRequested(at=self._room.at(), reason=reason), commands=commands)
        except OwnershipLostError:
            return  # the next commit will say so
        finally:
            done.set()

    async def note(self, event: ProcessEvent, commands: tuple[b.Command, ...] = ()) -> b.Outcome:
        """Commit an event in the middle of a step; `CommandsWaiting` if somebody wants something first.

        Raises:
            OwnershipLostError: Another manager owns the process now; nothing was written.
            InvalidStateError: The state does not allow it, as it is being cancelled.
        """
        self._in_step = self._in_step or anyio.Lock()
        with anyio.CancelScope(shield=True):
            async with self._in_step:
                decision = advance(self._plan, self.state, event)
                append = self._append(decision, commands)
                outcome = await self._room.persistence.ask(Write(append), timeout=None)
                if type(outcome) is b.Stale:
                    raise self._lost(outcome)
                if type(outcome) is b.Written:
                    self.state = decision.state
        return outcome

    def keep_progress(self, progress: e.StepProgressed) -> b.SaveProgress:
        """Return the operation that keeps a step's progress."""
        return b.SaveProgress(self.process, self._epoch, progress.seq, encode_body(progress))


def _reason_in(commands: tuple[b.Command, ...]) -> str | None:
    """Return why to cancel, as the first cancel among the commands says; None if there is none."""
    for command in commands:
        if command.kind == "cancel":
            reason: str = msgspec.json.decode(command.body).get("reason", "")
            return reason
    return None


def _ends_in(decision: Decision) -> list[ProcessEvent]:
    """Return what a decision says of the step that has ended."""
    return [event for event in decision.events if isinstance(event, _ENDS)]
