"""The supervisor actor: the registry of running processes, and who may run next.

It starts one process actor for each process that this manager owns, and hands out the slots. It never waits
for the store itself: what has to be looked up or done there is an errand, a child task that comes back as a
message (`procactors.engine.errands`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from procactors.actors import (
    CONTROL,
    SIGNALS,
    Abandoned,
    Actor,
    ActorRef,
    ChildOptions,
    Exit,
    Failed,
    Lane,
    Normal,
    Overflow,
    ReplySlot,
    Restart,
    TaskEnded,
    Terminated,
)
from procactors.engine.admission import Admission
from procactors.engine.errands import Errands
from procactors.engine.messages import (
    CommandsArrived,
    Deliver,
    Drain,
    Errand,
    GiveSlot,
    KeepSlot,
    LookAgain,
    Queued,
    Release,
    Start,
    StoreChanged,
    TakeSlot,
)
from procactors.engine.process import ProcessActor
from procactors.engine.sweeps import Sweeps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.engine.room import Room
    from procactors.stores._batch import Command, Swept

_log = logging.getLogger("procactors.engine")

_PREFIX = "process-"
_PARENT_HEARS_S = 0.005
"""Within this time a parent hears of its child's end, and takes the slot that has become free."""


class SupervisorActor(Actor[Any]):
    """Starts and follows process actors."""

    lanes: ClassVar[Sequence[Lane]] = (
        CONTROL,
        SIGNALS,
        Lane("work", capacity=20_000, overflow=Overflow.WAIT),
        Lane("later", overflow=Overflow.COALESCE),
    )

    def __init__(self, room: Room) -> None:
        """Run processes in the room's slots."""
        self._room = room
        self._sweeps = Sweeps(room)
        self._admission = Admission(room.max_running)
        self._running: dict[str, tuple[ActorRef[Any], ProcessActor]] = {}
        self._next: dict[str, ProcessActor] = {}
        """Actors of processes that came back before their former actor had ended."""
        self._recovering = 0
        """Tasks that see to a process whose actor has failed or was abandoned."""
        self._errands = Errands(room, self._sweeps, self._admission, self)
        self.is_draining = False
        self._drained: ReplySlot[Any] | None = None

    async def on_start(self) -> None:
        """Adopt what dead managers left, and what a former life of this one did; then look around."""
        self._room.step_of_task = self._step_of
        self._room.has_slot = lambda: self._admission.has_slot(len(self._running))
        await self._end_former()
        self._errands.adopted(await self._sweeps.adopt(also_own=True))

    async def _end_former(self) -> None:
        """End the process actors of a former life of this one: nobody would hear of their ends."""
        async with anyio.create_task_group() as tasks:
            for child in self._room.processes.children():
                tasks.start_soon(child.end_for_good, "the engine was restarted")

    async def receive(self, message: Any) -> Any:
        """Start, claim, deliver, or take note of an end."""
        match message:
            case Start():
                self._start(message)
            case Terminated(name, end):
                self._ended(name.removeprefix(_PREFIX), end)
            case TaskEnded(name, _, end):
                self._came_back(name, end)
            case Deliver(commands):
                self.deliver(commands)
            case GiveSlot() | TakeSlot() | KeepSlot():
                self._move_slot(message)
            case Drain(grace_s):
                self._drain(grace_s)
            case _:
                self._look_around(message)

    def _look_around(self, message: Queued | LookAgain | Errand | StoreChanged) -> None:
        """Follow a hint that the store may hold something to do."""
        match message:
            case Queued():
                self._admission.note_queued()
                self.ref.tell(LookAgain())
            case LookAgain():
                self._errands.look()
            case Errand(name):
                self._errands.send(name)
            case StoreChanged():
                self._errands.send("news")
                self._errands.expect_company()

    # Running processes.

    def _start(self, message: Start) -> None:
        """Give a new process a slot, or answer None: it has to queue in the store."""
        starter = self.take_reply()
        assert starter is not None
        if self.is_draining or not self._admission.admits(len(self._running)):
            starter.send(None)
            return
        self._run(ProcessActor.born(self._room, message.insert, starter))

    def _move_slot(self, message: GiveSlot | TakeSlot | KeepSlot) -> None:
        """Let others have the slot of a process that waits for its children, until it wants it back."""
        match message:
            case GiveSlot(pid) if pid in self._running and pid not in self._next:
                self._admission.give_back(pid)
                self.let_return()
                if self._admission.has_waiting or self._running[pid][1].is_limited:
                    self.ref.tell(LookAgain())
            case TakeSlot(pid):
                reply = self.take_reply()
                assert reply is not None
                self._admission.stand_in_line(pid, reply)
                self.let_return()
            case KeepSlot(pid):
                self._admission.forget(pid)

    def let_return(self) -> None:
        """Give free slots to those who return from waiting."""
        while (reply := self._admission.next_to_return(len(self._running))) is not None:
            reply.send(None)

    @property
    def running(self) -> int:
        """How many processes run here, some of them perhaps without a slot."""
        return len(self._running)

    def take(self, swept: Swept) -> None:
        """Run a process that was claimed."""
        epoch = swept.written.epoch
        self._run(ProcessActor.taken(self._room, swept.record, swept.written.state, epoch))

    def _run(self, actor: ProcessActor) -> None:
        if actor.pid in self._running:
            self._follow(*self._running[actor.pid], actor)
            return
        ref = self._room.processes.spawn(lambda: actor, name=_PREFIX + actor.pid, options=_CHILD)
        self._running[actor.pid] = (ref, actor)
        self.watch(ref)
        if self.is_draining:
            ref.tell(Release())

    def _follow(self, ref: ActorRef[Any], former: ProcessActor, following: ProcessActor) -> None:
        """Let an actor begin when the former one has ended, which may not know that it lost the process."""
        self._next[following.pid] = following
        self._admission.forget(following.pid)
        if not former.is_over:
            ref.tell(Release(now=True))

    def _step_of(self, actor_name: str) -> str | None:
        found = self._running.get(actor_name.removeprefix(_PREFIX))
        return None if found is None else found[1].describe()

    def _ended(self, pid: str, end: Exit) -> None:
        if pid not in self._running:  # it ended with the former life of this actor
            return
        _, actor = self._running.pop(pid)
        self._admission.forget(pid)
        if actor.had_children:
            self._errands.send("bereave")
        following = self._next.pop(pid, None)
        if following is not None:
            self._run(following)
            self._errands.send("news")  # what was wanted of it meanwhile was told to the former one
        elif isinstance(end, Abandoned) and actor.cause is not None:
            self._recovering += 1
            self.spawn(self._succeed, actor, name="succeed")
        elif isinstance(end, Failed | Abandoned):
            _log.error("the actor of process %s ended: %s; the process is taken up again", pid, end)
            self._recovering += 1
            self.spawn(self._sweeps.recover_own, pid, f"its actor ended: {end}", name="recover")
        self._after_end(actor)

    def _after_end(self, actor: ProcessActor) -> None:
        """Give the free slot to a parent that returns, or if none does in a moment, to what is queued."""
        if self.is_draining:
            self._finish_drain()
            return
        self.let_return()
        _, parent = self._running.get(actor.parent_pid or "", (None, None))
        slots = self._admission.max_running
        if parent is not None and parent.may_return(slots, one_failed=actor.has_failed):
            self.set_timer(f"slot of {actor.pid}", _PARENT_HEARS_S, LookAgain())
        elif self._admission.has_waiting or actor.is_limited:
            self.ref.tell(LookAgain())

    async def _succeed(self, actor: ProcessActor) -> ProcessActor | None:
        """Return the successor of an actor that was abandoned with its step."""
        record = await self._sweeps.left_behind(actor.pid)
        if record is None or actor.cause is None:
            return None
        return ProcessActor.successor(self._room, record, actor.cause)

    def deliver(self, commands: tuple[Command, ...]) -> None:
        """Hand commands to the actors of the processes that run here."""
        by_pid: dict[str, list[Command]] = {}
        for command in commands:
            by_pid.setdefault(command.pid, []).append(command)
        for pid, its in by_pid.items():
            if pid in self._running:
                self._running[pid][0].tell(CommandsArrived(tuple(its)))

    def _came_back(self, name: str, end: Exit) -> None:
        if name in self._errands:
            self._errands.ended(name, end)
        elif name in {"succeed", "recover"}:
            self._recovering -= 1
            if name == "recover":
                self._errands.look()
            elif isinstance(end, Normal) and end.value is not None:
                self._run(end.value)
        if self.is_draining:
            self._finish_drain()

    # The end.

    def _drain(self, grace_s: float) -> None:
        """Release every process: after its step, or by force when the grace is over."""
        self._drained = self.take_reply()
        self.is_draining = True
        for ref, _ in self._running.values():
            ref.tell(Release())
        self._room.call_later(grace_s, self._cut_all)
        self._finish_drain()

    def _cut_all(self) -> None:
        for ref, _ in self._running.values():
            ref.tell(Release(now=True))

    def _finish_drain(self) -> None:
        is_busy = self._running or self._recovering or self._errands.is_claiming
        if not is_busy and self._drained is not None:
            self._drained.send(None)
            self._drained = None


_CHILD = ChildOptions(restart=Restart.TEMPORARY)
