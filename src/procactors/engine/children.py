"""The children that one step starts and waits for: `ctx.run`, `ctx.gather`, processes as steps.

A child is a process like any other, with a parent. Its identity is parent, step and key, never a count of
calls, so a step that is run again finds the children of its former attempts: those that are finished give
their output at once, those under way are waited for, those that failed go on from their failed step.

While a step waits, its process is `waiting`: it holds no slot, and its time does not count. It takes the next
free slot before anything that is queued, so no depth of nesting can bring a manager with one slot to a halt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from procactors.engine import control, starting, views
from procactors.engine.decisions import returning
from procactors.engine.messages import GiveSlot, TakeSlot, Write
from procactors.engine.reading import read, record_of
from procactors.errors import ActorStoppedError, InvalidDefinitionError, InvalidStateError
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.event import ProcessEvent
from procactors.model.status import ProcessStatus as S
from procactors.model.text import shown
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.engine.room import Room
    from procactors.stores import Relative

PARENT_ENDED = "the process that started it has ended"

_PAGE = 500
_AT_ONCE = 200
"""How many children are started in one turn of the event loop; ten thousand would hold it up for a second."""


class Parent(msgspec.Struct, frozen=True):
    """Who starts children.

    Attributes:
        process: The store's number of it.
        rewound_seq: The event by which it went back to do steps again, with new children; 0: none.
        note: Commits an event in the middle of its step; waits for ever if that step is being cut short.
        is_limited: Whether its definition has limits, under which others may run while it waits.
    """

    pid: str
    process: int
    depth: int
    note: Callable[[ProcessEvent], Awaitable[None]]
    is_limited: bool
    rewound_seq: int = 0


class Children:
    """Those of one attempt."""

    def __init__(self, room: Room, parent: Parent, step: str) -> None:
        """Begin without any; `step` is the name of the step that starts them."""
        self._room = room
        self._parent = parent
        self._step = step
        self._unkeyed: set[str] = set()
        self._former: dict[str, Relative] = {}
        """Those of former attempts that this one has not met yet, by identity."""
        self._has_looked_back = False
        self._turn = anyio.Lock()
        self.is_waiting = False
        """Whether the process is `waiting`, and has given its slot back."""
        self.expected = 0
        """How many children still have to end before it goes on, those that are still to be started too."""

    async def run(self, process: Process, data: Any = None, key: str | None = None) -> Any:
        """Start a child, or find it again, and return its output; raises how it ended."""
        await self._look_back()
        self.expected += 1
        try:
            return await self._output_of(process, data, key)
        finally:
            self.expected -= 1
            await self._wake_up()

    async def gather(self, runs: Sequence[tuple[Any, ...]], limit: int | None = None) -> list[Any]:
        """Run children side by side, at most `limit` at once; return their outputs in order.

        The first failure is raised at once. The others go on, and are cancelled when the parent ends.
        """
        await self._look_back()
        runs = [each if isinstance(each, tuple) else (each,) for each in runs]
        outputs: list[Any] = [None] * len(runs)
        failures: list[Exception] = []
        room = anyio.CapacityLimiter(limit or max(1, len(runs)))
        left = len(runs)
        self.expected += left

        async def one(number: int) -> None:
            nonlocal left
            async with room:
                try:
                    outputs[number] = await self._output_of(*runs[number])
                except Exception as failure:  # noqa: BLE001 - it is raised below, alone
                    failures.append(failure)
                    tasks.cancel_scope.cancel()
            left -= 1
            self.expected -= 1

        try:
            async with anyio.create_task_group() as tasks:
                for number in range(len(runs)):
                    tasks.start_soon(one, number)
                    if number % _AT_ONCE == _AT_ONCE - 1:
                        await checkpoint()
        finally:
            self.expected -= left
            await self._wake_up()
        if failures:
            raise failures[0]
        return outputs

    async def _output_of(self, process: Process, data: Any = None, key: str | None = None) -> Any:
        identity = self._identity(process, key)
        former = self._former.pop(identity, None)
        if former is not None and former.status is S.FINISHED:
            record = await record_of(self._room, former.pid)
            if record.state.status is S.FINISHED:
                return views.outcome_of(record)
        elif former is not None and former.status.is_ended:
            await self._revive(former.pid)
        pid = await self._start(process, data, identity, key) if former is None else former.pid
        await self._begin_waiting()
        return await views.result_of(self._room, pid, None)

    # Starting.

    async def _look_back(self) -> None:
        """Find, once and all together, the children that former attempts have started."""
        if self._has_looked_back:
            return
        async with self._turn:
            if not self._has_looked_back:
                found = await read(self._room, self._room.store.relatives, self._parent.process, self._prefix)
                self._former = {one.identity: one for one in found}
                self._has_looked_back = True

    @property
    def _prefix(self) -> str:
        """How the identities of this step's children begin, and no other step's, whatever their names are."""
        again = f"@{self._parent.rewound_seq}" if self._parent.rewound_seq else ""
        return f"{self._parent.pid}/{quote(self._step, safe='')}{again}/"

    def _identity(self, process: Process, key: str | None) -> str:
        if not isinstance(process, Process):
            raise InvalidDefinitionError(
                f"step {self._step!r}: ctx.run takes a Process, ctx.gather tuples of (process, data, key),"
                f" not {shown(process)}"
            )
        if key is None:
            if process.name in self._unkeyed:
                raise InvalidDefinitionError(
                    f"step {self._step!r} of process {self._parent.pid} runs {process.name!r} twice: give"
                    " each run a key, so that a repeated step finds its children again",
                    pid=self._parent.pid,
                    step=self._step,
                )
            self._unkeyed.add(process.name)
        return self._prefix + (f"name={process.name}" if key is None else f"key={key}")

    async def _start(self, process: Process, data: Any, identity: str, key: str | None) -> str:
        depth = self._parent.depth + 1
        if depth > self._room.options.max_depth:
            raise InvalidDefinitionError(
                f"step {self._step!r} of process {self._parent.pid} would start a process {depth} levels"
                f" deep; at most {self._room.options.max_depth} are allowed (options.max_depth)",
                pid=self._parent.pid,
                step=self._step,
            )
        kin = starting.Kin(self._parent.pid, self._parent.process, depth, identity)
        return await starting.start_child(self._room, process, data, kin, key)

    async def _revive(self, pid: str) -> None:
        """Let a child of a former attempt go on that has ended without finishing."""
        try:
            await control.change(self._room, pid, returning.revive(PARENT_ENDED))
        except InvalidStateError:
            return  # it was cancelled by somebody: that is how it ends

    # Waiting.

    async def _begin_waiting(self) -> None:
        async with self._turn:
            if self.is_waiting:
                return
            await self._parent.note(e.ProcessWaiting(at=self._room.at(), step=self._step))
            self.is_waiting = True
            await self._place(wants=False)
            self._room.supervisor.tell(GiveSlot(self._parent.pid))

    async def _wake_up(self) -> None:
        """Let the step go on, with a slot again, if nothing is expected any more, and it is not cut short."""
        if not self.expected and anyio.current_effective_deadline() > anyio.current_time():
            await self._end_waiting()

    async def _end_waiting(self) -> None:
        async with self._turn:
            if self.expected or not self.is_waiting:
                return
            try:
                await self._room.supervisor.ask(TakeSlot(self._parent.pid), timeout=None)
            except ActorStoppedError:
                return  # the engine is going down, and this step with it
            while not await self._place(wants=True):  # noqa: ASYNC110 - another manager may have to end one
                await anyio.sleep(self._room.options.poll_idle_s)
            self.is_waiting = False
            await self._parent.note(e.ProcessResumed(at=self._room.at(), owner=self._room.name))

    async def _place(self, *, wants: bool) -> bool:
        """Give up, or ask for, a place among those that the definition's limits let run."""
        if not self._parent.is_limited:
            return True
        operation = b.Place(self._parent.process, wants)
        outcome: bool = await self._room.persistence.ask(Write(operation), timeout=None)
        return outcome


async def cancel_bereaved(room: Room) -> bool:
    """Cancel children whose parent has ended. True if there may be more."""
    pids = await room.store.bereaved(_PAGE)
    for pid in pids:
        await control.cancel(room, pid, PARENT_ENDED)
    return len(pids) == _PAGE
