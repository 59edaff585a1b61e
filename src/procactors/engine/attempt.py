"""One attempt of one step: runs the user's code, and can be cut short from outside at any moment."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from procactors._clock import to_datetime
from procactors.deferred import defer_into
from procactors.engine.children import Children
from procactors.engine.deferral import Deferral
from procactors.engine.step_transaction import OwnTransaction
from procactors.errors import InvalidStateError
from procactors.executors._executor import NORMAL, CutShort, Ending, Raised, Returned, StepOutcome
from procactors.executors.context import StepContext, current_step
from procactors.model.event import StepProgressed
from procactors.model.state import running_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    import msgspec

    from procactors.engine.children import Parent
    from procactors.engine.room import Room
    from procactors.executors._executor import Executor
    from procactors.model.definition import Process
    from procactors.model.state import ProcessState
    from procactors.stores import StepTransaction


_log = logging.getLogger("procactors.engine")


class AttemptHost(Protocol):
    """Who makes attempts: the actor of the process."""

    def keep_progress(self, progress: StepProgressed) -> None:
        """Store what the step says of its progress."""
        ...

    def parent(self) -> Parent:
        """Return it as the parent of the running attempt's children."""
        ...


class Attempt:
    """Runs once."""

    __slots__ = (
        "_children", "_executor", "_host", "_loop_thread", "_newest", "_own", "_room", "_scope", "_sent_at",
        "attempt", "beaten_at", "deferral", "ending", "guests", "is_cut", "is_over", "last_seq", "on_begun",
        "pid", "plan", "seq", "step",
    )  # fmt: skip

    def __init__(
        self,
        room: Room,
        pid: str,
        plan: Process,
        state: ProcessState,
        scope: anyio.CancelScope,
        host: AttemptHost,
    ) -> None:
        """Make the attempt that `state` says has begun.

        `scope` is open around it, and cancelled by `cut`: entering one for each attempt would cost more than
        running a small step.
        """
        self._room = room
        self._host = host
        self._scope = scope
        self._newest: StepProgressed | None = None
        self._sent_at = float("-inf")
        self._loop_thread = threading.get_ident()
        self._executor: Executor | None = None
        self._children: Children | None = None
        self.pid = pid
        self.plan = plan
        self.step = running_step(state, plan)
        self.attempt = state.attempt
        self.seq = self.last_seq = state.seq
        self.beaten_at = room.clock.monotonic()
        self.on_begun: Callable[[], None] | None = None
        """Called when code begins that had to wait for a free worker."""
        self.is_cut = False
        self.is_over = False
        self.ending = NORMAL
        self.deferral = Deferral(room, pid, self.step.name, state.attempt)
        self.guests: tuple[Callable[[Any], Any], ...] = ()
        self._own: OwnTransaction | None = None

    @property
    def stop_s(self) -> float:
        """Seconds that stopping the code may take."""
        return 0.0 if self._executor is None else self._executor.stop_s

    async def run(self, data: msgspec.Raw) -> StepOutcome:
        """Run the step in the calling task. Raises only if the calling task itself is cancelled."""
        ctx = StepContext(self.pid, self.step.name, self.attempt, self._room.services, self)
        current_step.set(ctx)
        self._room.observer.attempt_begins(self.pid, self.step.name, self.attempt)
        outcome: StepOutcome
        try:
            prepared = self._room.catalog.prepared(self.step)
            executor = self._executor = self._room.executors.of(prepared)
            with self.deferral:
                value = await executor.run(prepared, data, ctx, self)
            if self.deferral.updates is not None:
                await self.deferral.before_checkpoint(self.deferral.updates)
            outcome = Returned(value)
        except KeyboardInterrupt:
            raise
        except GeneratorExit as error:
            if not _is_in_task():
                raise  # the task itself is thrown away, as its loop is gone
            outcome = Raised(error)
        except anyio.get_cancelled_exc_class() as error:
            if not self.is_cut and anyio.current_effective_deadline() == float("-inf"):
                raise  # it is not this step that is cancelled
            outcome = Raised(error)  # the step cancelled itself
        except BaseException as error:  # noqa: BLE001 - SystemExit in a step fails the step
            outcome = Raised(error)
        self.is_over = True
        self.deferral.end()
        if self._own is not None:
            self._own.end()
        return CutShort() if self.is_cut and not isinstance(outcome, Returned) else outcome

    async def run_postsend(self) -> None:
        """Have what the step has deferred run after its checkpoint; `is_cut` says whether it was cut."""
        assert self.deferral.updates is not None
        try:
            await self.deferral.after_checkpoint(self.deferral.updates)
        except anyio.get_cancelled_exc_class():
            if not self.is_cut:
                raise

    def cut(self) -> None:
        """Cancel the step."""
        self.is_cut = True
        self._scope.cancel()

    def defer(
        self, frame: FrameType, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        """Take a function that is to be called after the step; from any thread."""
        defer_into(self.deferral.open(), frame, function, *args, **options)

    # What its executor says.

    def begun(self) -> None:
        """Let its time count from now: it had to wait for a free worker."""
        self.beat()
        if self.on_begun is not None:
            self.on_begun()

    def ended(self, ending: Ending) -> None:
        """Note how its code ended that was cut short."""
        self.ending = ending
        if ending.abandoned and self.is_cut:
            _log.warning(
                "step %s of process %s could not be stopped and was left behind", self.step.name, self.pid
            )
            self._room.observer.thread_abandoned(self.pid, self.step.name)

    def at_checkpoint(self, guest: Callable[[Any], Any]) -> None:
        """Let a function write with the checkpoint of this attempt.

        Raises:
            InvalidStateError: The step is over.
        """
        self._check_it_runs()
        self.guests = (*self.guests, guest)

    def transaction(self) -> OwnTransaction:
        """Return this attempt's own transaction, which begins when it is entered.

        Raises:
            RuntimeError: This is not the event loop of the manager.
            InvalidStateError: The step is over.
        """
        self._check_loop("have a transaction of its own")
        self._check_it_runs()
        self._own = self._own or OwnTransaction(self._room.store.begin)
        return self._own

    @property
    def within(self) -> StepTransaction | None:
        """The transaction that its checkpoint is written in, if it has begun one of its own."""
        return None if self._own is None else self._own.begun

    def leave_transaction(self) -> None:
        """Drop its own transaction, if it has one; what was not committed is rolled back."""
        if self._own is not None:
            self._own.drop()

    # Children.

    def children(self) -> Children:
        """Return where this attempt's children are kept.

        Raises:
            RuntimeError: This is not the event loop of the manager.
            InvalidStateError: The step is over.
        """
        self._check_loop("run other processes")
        self._check_it_runs()
        if self._children is None:
            self._children = Children(self._room, self._host.parent(), self.step.name)
        return self._children

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for children, and needs no slot."""
        return self._children is not None and self._children.is_waiting

    def may_return(self, ends: int, *, one_failed: bool) -> bool:
        """Tell whether it waits for children, and goes on when so many have ended, or one has failed."""
        return (
            self.is_waiting and self._children is not None and (one_failed or self._children.expected <= ends)
        )

    def _check_loop(self, what: str) -> None:
        if threading.get_ident() != self._loop_thread:
            raise RuntimeError(f"step {self.step.name!r} runs in a thread: only an async step can {what}")

    def _check_it_runs(self) -> None:
        """Refuse what a task or thread wants that has outlived its step."""
        if self.is_over:
            raise InvalidStateError(
                f"step {self.step.name!r} of process {self.pid} is over: nothing can be run in it any more",
                pid=self.pid,
                step=self.step.name,
                attempt=self.attempt,
            )

    # What the step says, from any thread.

    def beat(self) -> None:
        """Note a heartbeat."""
        self.beaten_at = self._room.clock.monotonic()

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Note progress, and send it if the last one is old enough."""
        self.beat()
        at = to_datetime(self._room.clock.wall())
        newest = StepProgressed(
            at=at,
            seq=self.last_seq,
            step=self.step.name,
            attempt=self.attempt,
            done=done,
            total=total,
            text=text,
        )
        waits = self._newest is not None
        self._newest = newest
        if waits:
            return
        if threading.get_ident() == self._loop_thread:
            self._schedule()
        else:
            self._room.call_in_loop(self._schedule)

    def _schedule(self) -> None:
        wait = self._sent_at + self._room.options.progress_every_s - self._room.clock.monotonic()
        if wait <= 0:
            self._send()
        else:
            self._room.call_later(wait, self._send)

    def _send(self) -> None:
        newest, self._newest = self._newest, None
        if newest is not None and not self.is_over:
            self._sent_at = self._room.clock.monotonic()
            self._host.keep_progress(newest)


def _is_in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
